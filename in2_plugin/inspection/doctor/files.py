"""Check the files that describe the dataset: build file, manifest, dataset card; and the order of the stages."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.corpus.screening.screen import screening_facts
from in2_plugin.dataset.plans import digest_of
from in2_plugin.dataset.reader import Manifest, read_manifest
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import one_line
from in2_plugin.inspection.report import REBUILD_MANIFEST, RESTART, CheckReport


def check_build_file(folder: Path, report: CheckReport) -> str:
    """Check that build.json is a valid build file."""
    BuildConfig.parse(_json(folder / layout.BUILD), layout.BUILD)
    return layout.BUILD


def check_stages(folder: Path, report: CheckReport) -> str:
    """Check that no stage is finished before an earlier one, and report what ended the last build or its jobs."""
    files = list(layout.STAGES.values())
    present = [(folder / name).exists() for name in files]
    for i, name in enumerate(files):
        if present[i] and not all(present[:i]):
            report.error(name, f"exists, but {files[present.index(False)]} is missing", RESTART)
            break
    for stopped in sorted((folder / layout.PARTS).glob(layout.STOPPED)):
        _, _, job = stopped.stem.partition("-")
        advice = f"solve this and run `in2 build{job and ' --shard'}` again; what is finished is kept"
        error = one_line(stopped.read_text(encoding="utf-8"), limit=2_000)
        report.error(f"job {job}" if job else "the last build", f"stopped: {error}", advice)
    for part in sorted(path.relative_to(folder) for path in folder.rglob("*.part")):
        report.note(str(part), "left by a killed run", "nothing to do: the same command replaces it")
    return f"{sum(present)} finished stages"


def check_audit(folder: Path, report: CheckReport) -> str:
    """Check that the audit of these examples passed."""
    found = _json(folder / layout.AUDIT)
    for figure in found["figures"]:
        if not figure["passed"]:
            report.error(layout.AUDIT, f"{figure['name']} is out of bounds", figure["detail"])
    return f"{len(found['figures'])} figures"


def check_manifest(folder: Path, report: CheckReport) -> str:
    """Check the counts and settings in manifest.json against the data and the build file."""
    found = read_manifest(folder)
    counts: Counter[str] = Counter(examples=0, tokens=0, answer_tokens=0, turns=0)
    longest = 0
    for row in read_rows(folder / layout.EXAMPLES):
        counts.update({"examples": 1, row["part"]: 1, "turns": len(row["turns"]), "tokens": row["n_tokens"]})
        counts["answer_tokens"] += row["n_answer_tokens"]
        longest = max(longest, row["n_tokens"])
    store, build = _json(folder / layout.STAGES["segments"]), _json(folder / layout.BUILD)
    # `record_segments` only if there are some
    counts.update({name: store[name] for name in ("segments", "documents", "record_segments") if name in store})
    counts.update(screening_facts(folder / layout.SEGMENTS).counts())
    expected = {
        "examples": counts["examples"], "longest": longest, "joining": store["joining"],
        "tokenizer_fingerprint": store["tokenizer"], "tokenizer": build["tokenizer"], "template": build["template"],
    }  # fmt: skip
    report.errors(layout.MANIFEST, _disagreements(found, counts, expected), REBUILD_MANIFEST)
    return f"{len(counts)} counts, {len(expected)} facts"


def _disagreements(found: Manifest, counts: Counter[str], expected: dict[str, Any]) -> Iterator[str]:
    for name in sorted({*found.counts, *counts}, key=str):
        if found.counts.get(name) != counts.get(name):
            yield f"counts.{name} is {found.counts.get(name)}, but the data have {counts.get(name)}"
    for name, value in expected.items():
        if getattr(found, name) != value:
            yield f"{name} is {getattr(found, name)} instead of {value}"


def check_card(folder: Path, report: CheckReport) -> str:
    """Check that the card's header names the digest of the data.

    `datasets` caches local folders by this name: with an old digest it would serve old rows.
    """
    digest = digest_of(folder / layout.EXAMPLES)[:16]
    named = re.search(r"config_name: build-(\w+)", (folder / layout.CARD).read_text(encoding="utf-8"))
    if not named or named[1] != digest:
        advice = f"{REBUILD_MANIFEST}; until then, `datasets` may serve old rows from its cache"
        report.error(layout.CARD, "does not name the digest of examples.parquet", advice)
    return "the digest of examples.parquet"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))

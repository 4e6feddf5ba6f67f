"""Checks of the files that say what the folder is: build file, manifest, card, order of the stages."""

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
from in2_plugin.inspection.report import Report

BUILD_AGAIN = "run `in2 build --restart` to make the dataset again; answers that were paid for are kept"
MANIFEST_AGAIN = "remove manifest.json and run `in2 build` again, which writes it and README.md anew"


def build_file(folder: Path, report: Report) -> str:
    """build.json is a build file."""
    BuildConfig.parse(_json(folder / layout.BUILD), layout.BUILD)
    return layout.BUILD


def stages(folder: Path, report: Report) -> str:
    """No stage is there without those before it; what a kill left is noted."""
    files = list(layout.STAGES.values())
    present = [(folder / name).exists() for name in files]
    for i, name in enumerate(files):
        if present[i] and not all(present[:i]):
            report.wrong(name, f"is there, but {files[present.index(False)]} is not", BUILD_AGAIN)
            break
    for part in sorted(path.relative_to(folder) for path in folder.rglob("*.part")):
        report.note(str(part), "was left by a build that was killed", "nothing to do: the next build replaces it")
    return f"{sum(present)} finished stages"


def manifest(folder: Path, report: Report) -> str:
    """manifest.json says what is there, and what the build file asked for."""
    found = read_manifest(folder)
    counts: Counter[str] = Counter(examples=0, tokens=0, answer_tokens=0, turns=0)
    longest = 0
    for row in read_rows(folder / layout.EXAMPLES):
        counts.update({"examples": 1, row["part"]: 1, "turns": len(row["turns"]), "tokens": row["n_tokens"]})
        counts["answer_tokens"] += row["n_answer_tokens"]
        longest = max(longest, row["n_tokens"])
    store, build = _json(folder / layout.STAGES["segments"]), _json(folder / layout.BUILD)
    counts.update(segments=store["segments"], documents=store["documents"])
    counts.update(screening_facts(folder / layout.SEGMENTS).counts())
    expected = {
        "examples": counts["examples"], "longest": longest, "joining": store["joining"],
        "tokenizer_fingerprint": store["tokenizer"], "tokenizer": build["tokenizer"], "template": build["template"],
    }  # fmt: skip
    report.wrong_at(layout.MANIFEST, _disagreements(found, counts, expected), MANIFEST_AGAIN)
    return f"{len(counts)} counts, {len(expected)} facts"


def _disagreements(found: Manifest, counts: Counter[str], expected: dict[str, Any]) -> Iterator[str]:
    for name in sorted({*found.counts, *counts}, key=str):
        if found.counts.get(name) != counts.get(name):
            yield f"counts {name}: {found.counts.get(name)}, and there are {counts.get(name)}"
    for name, value in expected.items():
        if getattr(found, name) != value:
            yield f"says {name}: {getattr(found, name)}, and it is {value}"


def card(folder: Path, report: Report) -> str:
    """The digest in the card's header is that of the data; `datasets` tells local folders apart by it alone."""
    digest = digest_of(folder / layout.EXAMPLES)[:16]
    named = re.search(r"config_name: build-(\w+)", (folder / layout.CARD).read_text(encoding="utf-8"))
    if not named or named[1] != digest:
        advice = "remove manifest.json and run `in2 build` again, or `datasets` may serve old rows from its cache"
        report.wrong(layout.CARD, "does not name the digest of examples.parquet", advice)
    return "the digest of examples.parquet"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))

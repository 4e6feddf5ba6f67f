"""Checks of the files that say what the folder is: build file, manifest, card, order of the stages."""

import hashlib
import json
import re
from pathlib import Path

from in2_plugin.config import BuildConfig
from in2_plugin.contexts.dataset import read_manifest
from in2_plugin.contexts.tables import read_rows
from in2_plugin.inspection.finding import Report

ORDER = ("segments/store.json", "questions.parquet", "examples.parquet", "manifest.json")


def build_file(folder: Path, report: Report) -> str:
    """build.json is a build file."""
    path = folder / "build.json"
    BuildConfig.parse(json.loads(path.read_text(encoding="utf-8")), "build.json")
    return "build.json"


def stages(folder: Path, report: Report) -> str:
    """No stage is there without those before it; what a kill left is noted."""
    present = [(folder / name).exists() for name in ORDER]
    for i, name in enumerate(ORDER):
        if present[i] and not all(present[:i]):
            before = ORDER[present.index(False)]
            report.wrong(name, f"is there, but {before} is not", "run `in2 build --restart` to make the dataset again")
            break
    parts = sorted(path.relative_to(folder) for path in folder.rglob("*.part"))
    for part in parts:
        report.note(str(part), "was left by a build that was killed", "nothing to do: the next build replaces it")
    return f"{sum(present)} finished stages"


def manifest(folder: Path, report: Report) -> str:
    """manifest.json counts what is there."""
    found = read_manifest(folder)
    counts = {"examples": 0, "tokens": 0, "answer_tokens": 0}
    longest = 0
    for row in read_rows(folder / "examples.parquet"):
        counts["examples"] += 1
        counts["tokens"] += row["n_tokens"]
        counts["answer_tokens"] += row["n_answer_tokens"]
        counts[row["kind"]] = counts.get(row["kind"], 0) + 1
        longest = max(longest, row["n_tokens"])
    facts = json.loads((folder / "segments/store.json").read_text(encoding="utf-8"))
    counts |= {name: facts[name] for name in ("segments", "documents")}
    advice = "remove manifest.json and run `in2 build` again, which writes it anew"
    for name, count in {**found.counts, **counts}.items():
        if found.counts.get(name) != counts.get(name):
            report.wrong("manifest.json", f"says {name}: {found.counts.get(name)}, and there are {count}", advice)
    if found.longest != longest:
        report.wrong("manifest.json", f"says longest: {found.longest}, and it is {longest}", advice)
    if facts["joining"] != found.joining or facts["tokenizer"] != found.tokenizer_fingerprint:
        report.wrong("manifest.json", "names another tokenizer or joining than the segments have", advice)
    return f"{len(counts)} counts"


def card(folder: Path, report: Report) -> str:
    """The digest in the card's header is that of the data; `datasets` tells local folders apart by it alone."""
    with (folder / "examples.parquet").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    named = re.search(r"config_name: build-(\w+)", (folder / "README.md").read_text(encoding="utf-8"))
    if not named or named[1] != digest:
        advice = "remove manifest.json and run `in2 build` again, or `datasets` may serve old rows from its cache"
        report.wrong("README.md", "does not name the digest of examples.parquet", advice)
    return "the digest of examples.parquet"

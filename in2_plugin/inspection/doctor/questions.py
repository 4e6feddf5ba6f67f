"""Checks of questions and rejections: what the format promises of every row.

Memory: one row group, and about 30 bytes a question, to find those that were asked twice.
"""

from array import array
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from in2_plugin import layout
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.tables import read_rows
from in2_plugin.inspection.report import Report
from in2_plugin.questions import Kind

ADVICE = (
    "remove questions.parquet, examples.parquet and manifest.json and run `in2 build` again; answers come from the "
    "work log"
)
KINDS = frozenset(Kind)


def questions(folder: Path, report: Report) -> str:
    """Every question has text, gold among its segments, and segments of its own document; none comes twice."""
    store = SegmentStore(folder / layout.SEGMENTS)
    digests = array("Q")
    for number, row in enumerate(read_rows(folder / layout.QUESTIONS)):
        faults = list(empty_places(row)) or list(_faults(row, store))
        report.wrong_at(f"questions.parquet, row {number}", faults, ADVICE)
        digests.append(digest(row["kind"], row["question"]))
    found = np.frombuffer(digests, np.uint64)
    first = np.zeros(len(found), bool)
    first[np.unique(found, return_index=True)[1]] = True
    for number in np.flatnonzero(~first):
        report.wrong(f"questions.parquet, row {number}", "was asked before", ADVICE)
    return f"{len(found):,} questions"


def empty_places(row: Mapping[str, Any]) -> Iterator[str]:
    """Columns without a value; a build leaves none."""
    return (f"has no `{name}`" for name, value in row.items() if value is None)


def digest(*texts: str | None) -> int:
    """Eight bytes for texts: among two million, two that differ get the same once in nine million times."""
    joined = "\0".join(text or "" for text in texts)
    return int.from_bytes(blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _faults(row: Mapping[str, Any], store: SegmentStore) -> Iterator[str]:
    ids, gold = row["segment_ids"], row["gold"]
    if row["kind"] not in KINDS:
        yield f"is of the unknown kind {row['kind']}"
    if not row["question"].strip() or not row["answer"].strip():
        yield "has no question or no answer"
    if not gold or not set(gold) <= set(ids):
        yield "has gold that is not among its segments"
    if row["kind"] == Kind.INTEGRATION and len(ids) < 2:
        yield "asks about fewer than two segments, and is to integrate"
    if max(ids, default=0) >= len(store):
        yield "names a segment that does not exist"
    elif set(store.document[ids].tolist()) != {row["document"]}:
        yield "has segments of another document than its own"


def instructions(folder: Path, report: Report) -> str:
    """Every conversation has turns, and every turn both sides."""
    count = 0
    for row in read_rows(folder / layout.INSTRUCTIONS):
        if not row["turns"]:
            report.wrong(f"instructions.parquet, row {count}", "has no turn", ADVICE)
        elif not all(turn["question"] and turn["answer"] for turn in row["turns"]):
            report.wrong(f"instructions.parquet, row {count}", "has an empty instruction or answer", ADVICE)
        count += 1
    return f"{count:,} conversations"


def rejections(folder: Path, report: Report) -> str:
    """Every rejection has a reason."""
    count = 0
    for row in read_rows(folder / layout.REJECTED):
        if not row["reason"]:
            report.wrong(f"rejected.parquet, row {count}", "has no reason", ADVICE)
        count += 1
    return f"{count:,} rejections"

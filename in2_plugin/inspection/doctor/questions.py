"""Check the rows of questions.parquet, instructions.parquet and rejected.parquet.

Memory: one row group, and about 30 bytes per question to find duplicates.
"""

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from in2_plugin import layout
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.tables import read_rows
from in2_plugin.inspection.report import REBUILD_QUESTIONS, CheckReport
from in2_plugin.inspection.text_digest import text_digest
from in2_plugin.questions import Kind

KINDS = frozenset(Kind)


def check_questions(folder: Path, report: CheckReport) -> str:
    """Check that every question has text, segments of one document and gold among them, and is not a duplicate."""
    store = SegmentStore(folder / layout.SEGMENTS)
    digests = array("Q")
    for number, row in enumerate(read_rows(folder / layout.QUESTIONS)):
        faults = list(missing_values(row)) or list(_faults(row, store))
        report.errors(f"questions.parquet, row {number}", faults, REBUILD_QUESTIONS)
        digests.append(text_digest(row["kind"], row["question"]))
    found = np.frombuffer(digests, np.uint64)
    first = np.zeros(len(found), bool)
    first[np.unique(found, return_index=True)[1]] = True
    for number in np.flatnonzero(~first):
        report.error(f"questions.parquet, row {number}", "duplicates an earlier question", REBUILD_QUESTIONS)
    return f"{len(found):,} questions"


def missing_values(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield a fault for each column without a value; a build leaves none."""
    return (f"`{name}` is missing" for name, value in row.items() if value is None)


def _faults(row: Mapping[str, Any], store: SegmentStore) -> Iterator[str]:
    ids, gold = row["segment_ids"], row["gold"]
    if row["kind"] not in KINDS:
        yield f"unknown kind `{row['kind']}`"
    if not row["question"].strip() or not row["answer"].strip():
        yield "question or answer is empty"
    if not gold or not set(gold) <= set(ids):
        yield "gold segments are not among its segments"
    if row["kind"] == Kind.INTEGRATION and len(ids) < 2:
        yield "integration question about fewer than two segments"
    if max(ids, default=0) >= len(store):
        yield "refers to a segment that does not exist"
    elif set(store.document[ids].tolist()) != {row["document"]}:
        yield "segments belong to another document"


def check_instructions(folder: Path, report: CheckReport) -> str:
    """Check that every conversation has turns, and every turn an instruction and an answer."""
    count = 0
    for row in read_rows(folder / layout.INSTRUCTIONS):
        if not row["turns"]:
            report.error(f"instructions.parquet, row {count}", "has no turns", REBUILD_QUESTIONS)
        elif not all(turn["question"] and turn["answer"] for turn in row["turns"]):
            report.error(f"instructions.parquet, row {count}", "an instruction or answer is empty", REBUILD_QUESTIONS)
        count += 1
    return f"{count:,} conversations"


def check_rejections(folder: Path, report: CheckReport) -> str:
    """Check that every rejected question has a reason."""
    count = 0
    for row in read_rows(folder / layout.REJECTED):
        if not row["reason"]:
            report.error(f"rejected.parquet, row {count}", "has no reason", REBUILD_QUESTIONS)
        count += 1
    return f"{count:,} rejected questions"

"""Checks of the examples: each is an example of one question, as the paper and the format promise.

Memory: one row group of examples, the texts of 65,536 segments, and about 120 bytes a question: examples stand in
random order, so every question must be at hand.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin.contexts.tables import read_rows
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.inspection.finding import Report
from in2_plugin.inspection.question_checks import digest, empty_places

ADVICE = "remove examples.parquet and manifest.json and run `in2 build` again; no question is asked again"
TEXTS = 65_536
"""Segment texts that are held at a time."""
KEY = ("kind", "question", "answer")
"""An example is that of the question with the same three."""
HELD = ("document", "segment_ids", "gold", "exclusive")
"""What else of a question an example is held against."""

Row = Mapping[str, Any]


class Asked:
    """The questions of a folder by what they say, and which of them have an example."""

    def __init__(self, path: Path) -> None:
        digests, tables = [], []
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=[*KEY, *HELD])
                rows = table.select(KEY).to_pylist()
                digests.append(np.array([digest(*row.values()) for row in rows], np.uint64))
                tables.append(table.select(HELD))
        self._held = pa.concat_tables(tables).combine_chunks() if tables else None
        found = np.concatenate(digests) if digests else np.zeros(0, np.uint64)
        self._order = np.argsort(found, kind="stable")
        self._digests = found[self._order]
        self.have_example = np.zeros(len(found), bool)

    def number(self, example: Row) -> int | None:
        """Number of the question that an example is about."""
        key = np.uint64(digest(*(example[name] for name in KEY)))
        place = int(np.searchsorted(self._digests, key))
        is_there = place < len(self._digests) and self._digests[place] == key
        return int(self._order[place]) if is_there else None

    def question(self, number: int) -> dict[str, Any]:
        """Its columns in HELD."""
        assert self._held is not None
        (row,) = self._held.slice(number, 1).to_pylist()
        return dict(row)


def examples(folder: Path, report: Report) -> str:
    """Every question has one example: with its segments, fillers that do not answer it, a length within the bounds."""
    store = SegmentStore(folder / "segments")
    lengths = json.loads((folder / "build.json").read_text(encoding="utf-8"))["lengths"]
    asked = Asked(folder / "questions.parquet")

    @lru_cache(TEXTS)
    def folded(segment: int) -> str:
        return store.text(segment).casefold()

    count = 0
    for row in read_rows(folder / "examples.parquet"):
        faults = list(empty_places(row)) or list(_faults(row, asked, store, lengths, folded))
        report.wrong_at(f"examples.parquet, row {count}", faults, ADVICE)
        count += 1
    if missing := int((~asked.have_example).sum()):
        report.wrong("examples.parquet", f"lacks the examples of {missing:,} questions", ADVICE)
    return f"{count:,} examples"


def _faults(
    row: Row, asked: Asked, store: SegmentStore, lengths: Mapping[str, int], folded: Callable[[int], str]
) -> Iterator[str]:
    if not lengths["min"] <= row["n_tokens"] <= lengths["max"]:
        yield "is shorter or longer than `lengths` allows"
    yield from _faults_of_spans(row)
    if max(row["segment_ids"], default=0) >= len(store):
        yield "names a segment that does not exist"
        return
    number = asked.number(row)
    if number is None:
        yield "is about a question or answer that is not in questions.parquet"
        return
    if asked.have_example[number]:
        yield "is a second example of its question"
    asked.have_example[number] = True
    question = asked.question(number)
    if any(empty_places(question)):
        yield "is about a question with empty places"
        return
    yield from _faults_beside(row, question, store, folded)


def _faults_of_spans(row: Row) -> Iterator[str]:
    """Faults of the gold ranges: in reading order, apart, and in front of the answer."""
    ids, spans = row["segment_ids"], row["gold"]
    edges = [edge for span in spans for edge in (span["start"], span["stop"])]
    if len(set(ids)) != len(ids):
        yield "has a segment twice"
    if edges != sorted(edges) or any(span["start"] >= span["stop"] for span in spans):
        yield "has gold ranges that are empty, overlap or are out of order"
    if edges and max(edges) > row["n_tokens"] - row["n_answer_tokens"]:
        yield "has gold ranges that lie outside the context"
    gold = {span["segment_id"] for span in spans}
    if [span["segment_id"] for span in spans] != [i for i in ids if i in gold]:
        yield "has gold ranges in another order than its segments"
    if row["n_answer_tokens"] < 1:
        yield "has no answer tokens"


def _faults_beside(row: Row, question: Row, store: SegmentStore, folded: Callable[[int], str]) -> Iterator[str]:
    """Faults of an example beside its question: its segments, its gold, and its fillers."""
    own = set(question["segment_ids"])
    fillers = [i for i in row["segment_ids"] if i not in own]
    if row["document"] != question["document"]:
        yield "names another document than its question"
    if not own <= set(row["segment_ids"]):
        yield "lacks a segment of its question"
    if sorted(span["segment_id"] for span in row["gold"]) != sorted(question["gold"]):
        yield "marks other segments as gold than its question"
    if (store.document[fillers] == question["document"]).any():
        yield "has a filler from the document of its question"
    if not store.usable[fillers].all():
        yield "has a filler that may not be used"
    exclusive = [text.casefold() for text in question["exclusive"]]
    if exclusive and any(text in folded(i) for i in fillers for text in exclusive):
        yield "has a filler that holds what its question quotes, or the answer"

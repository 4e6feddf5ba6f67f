"""Checks of the examples: every turn is one question, as the paper and the format promise.

Memory: one row group of examples, the texts of 65,536 segments, and about 120 bytes a question: examples stand in
random order, so every question must be at hand.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.config import PARTS, BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.tables import read_rows
from in2_plugin.examples.planner import GENERAL
from in2_plugin.inspection.doctor.questions import digest, empty_places
from in2_plugin.inspection.report import Report
from in2_plugin.questions import Part
from in2_plugin.questions.leaks import Forbidden

ADVICE = "remove examples.parquet and manifest.json and run `in2 build` again; no question is asked again"
TEXTS = 65_536
"""Segment texts that are held at a time."""
KEY = ("kind", "question", "answer")
"""A turn is that of the question with the same three."""
HELD = ("document", "segment_ids", "gold", "exclusive", "short_context")
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

    def number(self, turn: Row) -> int | None:
        """Number of the question that a turn asks."""
        key = np.uint64(digest(*(turn[name] for name in KEY)))
        place = int(np.searchsorted(self._digests, key))
        is_there = place < len(self._digests) and self._digests[place] == key
        return int(self._order[place]) if is_there else None

    def question(self, number: int) -> dict[str, Any]:
        """Its columns in HELD."""
        assert self._held is not None
        (row,) = self._held.slice(number, 1).to_pylist()
        return dict(row)


def examples(folder: Path, report: Report) -> str:
    """Every question has one turn: with its segments, fillers that do not answer it, a length within the bounds."""
    build = BuildConfig.parse(json.loads((folder / layout.BUILD).read_text(encoding="utf-8")), layout.BUILD)
    checking = _Checking(SegmentStore(folder / layout.SEGMENTS), build, Asked(folder / layout.QUESTIONS))
    count = 0
    for row in read_rows(folder / layout.EXAMPLES):
        faults = list(empty_places(row)) or list(checking.faults(row))
        report.wrong_at(f"examples.parquet, row {count}", faults, ADVICE)
        count += 1
    missing = int((~checking.asked.have_example).sum())
    if missing and build.mixture.shortfall == "error":
        report.wrong(layout.EXAMPLES, f"lacks the examples of {missing:,} questions", ADVICE)
    return f"{count:,} examples"


class _Checking:
    """Holds examples against their questions and the store."""

    def __init__(self, store: SegmentStore, build: BuildConfig, asked: Asked) -> None:
        self._store, self._build, self.asked = store, build, asked
        self._folded = lru_cache(TEXTS)(lambda segment: store.text(segment).casefold())

    def faults(self, row: Row) -> Iterator[str]:
        """What is wrong with one example."""
        lengths, part = self._build.lengths, row["part"]
        shortest = lengths.min if part in (Part.FINE_GRAINED, Part.INTEGRATION) else 1
        if part not in PARTS:
            yield f"is of the unknown part {part}"
        if not shortest <= row["n_tokens"] <= lengths.max:
            yield "is shorter or longer than `lengths` allows"
        if not row["turns"]:
            yield "has no turn"
        if len(set(row["segment_ids"])) != len(row["segment_ids"]):
            yield "has a segment twice"
        if row["n_answer_tokens"] != sum(turn["n_answer_tokens"] or 0 for turn in row["turns"]):
            yield "has another number of answer tokens than its turns"
        if max(row["segment_ids"], default=0) >= len(self._store):
            yield "names a segment that does not exist"
        elif part != GENERAL:
            yield from self._faults_of_turns(row)

    def _faults_of_turns(self, row: Row) -> Iterator[str]:
        own: set[int] = set()
        documents: set[int] = set()
        questions = []
        for turn in row["turns"]:
            yield from empty_places(turn)
            yield from _faults_of_spans(row, turn)
            number = self.asked.number(turn)
            if number is None:
                yield "is about a question or answer that is not in questions.parquet"
                continue
            if self.asked.have_example[number]:
                yield "is a second example of its question"
            self.asked.have_example[number] = True
            question = self.asked.question(number)
            if any(empty_places(question)):
                yield "is about a question with empty places"
                continue
            yield from _faults_against(row, turn, question)
            own |= set(question["segment_ids"])
            documents.add(question["document"])
            questions.append((turn, question))
        yield from self._faults_of_fillers([i for i in row["segment_ids"] if i not in own], documents, questions)

    def _faults_of_fillers(
        self, fillers: list[int], documents: set[int], questions: Sequence[tuple[Row, Row]]
    ) -> Iterator[str]:
        if not set(self._store.document[fillers].tolist()).isdisjoint(documents):
            yield "has a filler from the document of its question"
        if not self._store.usable[fillers].all():
            yield "has a filler that may not be used"
        for turn, question in questions:
            answers = [turn["answer"]] if self._build.distractors.answer else []
            forbidden = Forbidden(question["exclusive"], answers)
            if any(forbidden.found_in(self._folded(i)) for i in fillers):
                yield "has a filler that holds what its question quotes, or the answer"


def _faults_of_spans(row: Row, turn: Row) -> Iterator[str]:
    """Faults of the gold ranges: in reading order, apart, and in front of the answer."""
    spans = turn["gold"]
    edges = [edge for span in spans for edge in (span["start"], span["stop"])]
    if edges != sorted(edges) or any(span["start"] >= span["stop"] for span in spans):
        yield "has gold ranges that are empty, overlap or are out of order"
    if edges and max(edges) > row["n_tokens"] - row["n_answer_tokens"]:
        yield "has gold ranges that lie outside the context"
    gold = {span["segment_id"] for span in spans}
    if [span["segment_id"] for span in spans] != [i for i in row["segment_ids"] if i in gold]:
        yield "has gold ranges in another order than its segments"
    if not turn["n_answer_tokens"]:
        yield "has no answer tokens"


def _faults_against(row: Row, turn: Row, question: Row) -> Iterator[str]:
    """Faults of a turn beside its question: its document, its segments and its gold."""
    if turn["document"] != question["document"]:
        yield "names another document than its question"
    if not set(question["segment_ids"]) <= set(row["segment_ids"]):
        yield "lacks a segment of its question"
    if sorted(span["segment_id"] for span in turn["gold"]) != sorted(question["gold"]):
        yield "marks other segments as gold than its question"
    if (row["part"] == Part.SHORT_CONTEXT) != question["short_context"]:
        yield "is of another part than its question"

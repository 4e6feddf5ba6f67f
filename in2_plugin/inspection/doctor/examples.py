"""Check the rows of examples.parquet: every turn asks one question, with its gold and valid fillers.

Memory: one row group, the texts of 65,536 segments, and about 120 bytes per question. Examples are in random order, so
all questions must be in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.config import LONG_PARTS, PARTS, BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.build_record import stored_config
from in2_plugin.dataset.tables import read_rows
from in2_plugin.examples.planner import GENERAL
from in2_plugin.inspection.doctor.questions import missing_values
from in2_plugin.inspection.report import REBUILD_EXAMPLES, CheckReport
from in2_plugin.inspection.text_digest import text_digest
from in2_plugin.questions import Part
from in2_plugin.questions.leaks import Forbidden

CACHED_TEXTS = 65_536
"""Segment texts kept in memory."""
KEY = ("kind", "question", "answer")
"""Columns that identify the question of a turn."""
COMPARED = ("document", "segment_ids", "gold", "exclusive", "short_context")
"""Further columns of a question that its example must agree with."""

Row = Mapping[str, Any]


class QuestionIndex:
    """The questions of a dataset, found by their text, and which of them have an example."""

    def __init__(self, path: Path) -> None:
        digests, tables = [], []
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=[*KEY, *COMPARED])
                rows = table.select(KEY).to_pylist()
                digests.append(np.array([text_digest(*row.values()) for row in rows], np.uint64))
                tables.append(table.select(COMPARED))
        self._compared = pa.concat_tables(tables).combine_chunks() if tables else None
        found = np.concatenate(digests) if digests else np.zeros(0, np.uint64)
        self._order = np.argsort(found, kind="stable")
        self._digests = found[self._order]
        self.have_example = np.zeros(len(found), bool)

    def number(self, turn: Row) -> int | None:
        """Return the number of the question that a turn asks, or None."""
        key = np.uint64(text_digest(*(turn[name] for name in KEY)))
        place = int(np.searchsorted(self._digests, key))
        is_known = place < len(self._digests) and self._digests[place] == key
        return int(self._order[place]) if is_known else None

    def question(self, number: int) -> dict[str, Any]:
        """Return the COMPARED columns of a question."""
        assert self._compared is not None
        (row,) = self._compared.slice(number, 1).to_pylist()
        return dict(row)


def check_examples(folder: Path, report: CheckReport) -> str:
    """Check that every question has exactly one turn, with its segments, valid fillers and a length within bounds."""
    build = stored_config(folder, layout.BUILD)
    checker = _ExampleChecker(SegmentStore(folder / layout.SEGMENTS), build, QuestionIndex(folder / layout.QUESTIONS))
    count = 0
    for row in read_rows(folder / layout.EXAMPLES):
        faults = list(missing_values(row)) or list(checker.faults(row))
        report.errors(f"examples.parquet, row {count}", faults, REBUILD_EXAMPLES)
        count += 1
    missing = int((~checker.index.have_example).sum())
    if missing and build.mixture.shortfall == "error":
        report.error(layout.EXAMPLES, f"{missing:,} questions have no example", REBUILD_EXAMPLES)
    return f"{count:,} examples"


class _ExampleChecker:
    """Compares examples with their questions and the store."""

    def __init__(self, store: SegmentStore, build: BuildConfig, index: QuestionIndex) -> None:
        self._store, self._build, self.index = store, build, index
        self._folded = lru_cache(CACHED_TEXTS)(lambda segment: store.text(segment).casefold())

    def faults(self, row: Row) -> Iterator[str]:
        """Yield the faults of one example."""
        lengths, part = self._build.lengths, row["part"]
        shortest = lengths.min if part in LONG_PARTS else 1
        if part not in PARTS:
            yield f"unknown part `{part}`"
        if not shortest <= row["n_tokens"] <= lengths.max:
            yield "is shorter or longer than `lengths` allows"
        if not row["turns"]:
            yield "has no turns"
        if len(set(row["segment_ids"])) != len(row["segment_ids"]):
            yield "contains a segment twice"
        if row["n_answer_tokens"] != sum(turn["n_answer_tokens"] or 0 for turn in row["turns"]):
            yield "number of answer tokens differs from the sum of its turns"
        if max(row["segment_ids"], default=0) >= len(self._store):
            yield "refers to a segment that does not exist"
        elif part != GENERAL:
            yield from self._faults_of_turns(row)

    def _faults_of_turns(self, row: Row) -> Iterator[str]:
        own: set[int] = set()
        documents: set[int] = set()
        questions = []
        for turn in row["turns"]:
            yield from missing_values(turn)
            yield from _faults_of_spans(row, turn)
            number = self.index.number(turn)
            if number is None:
                yield "question or answer is not in questions.parquet"
                continue
            if self.index.have_example[number]:
                yield "is the second example of a question"
            self.index.have_example[number] = True
            question = self.index.question(number)
            if any(missing_values(question)):
                yield "its question has missing values"
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
            yield "a filler comes from the document of its question"
        if not self._store.usable[fillers].all():
            yield "a filler is not usable"
        for turn, question in questions:
            answers = [turn["answer"]] if self._build.distractors.answer else []
            forbidden = Forbidden(question["exclusive"], answers)
            if any(forbidden.found_in(self._folded(i)) for i in fillers):
                yield "a filler contains the answer or a text that the question quotes"


def _faults_of_spans(row: Row, turn: Row) -> Iterator[str]:
    """Yield the faults of the gold ranges: they must be in reading order, disjoint, and within the context."""
    spans = turn["gold"]
    edges = [edge for span in spans for edge in (span["start"], span["stop"])]
    if edges != sorted(edges) or any(span["start"] >= span["stop"] for span in spans):
        yield "gold ranges are empty, overlap or are out of order"
    if edges and max(edges) > row["n_tokens"] - row["n_answer_tokens"]:
        yield "gold ranges exceed the context"
    gold = {span["segment_id"] for span in spans}
    if [span["segment_id"] for span in spans] != [i for i in row["segment_ids"] if i in gold]:
        yield "gold ranges are not in the order of its segments"
    if not turn["n_answer_tokens"]:
        yield "has no answer tokens"


def _faults_against(row: Row, turn: Row, question: Row) -> Iterator[str]:
    """Yield the differences between a turn and its question: document, segments, gold and part."""
    if turn["document"] != question["document"]:
        yield "document differs from its question"
    if not set(question["segment_ids"]) <= set(row["segment_ids"]):
        yield "a segment of its question is missing"
    if sorted(span["segment_id"] for span in turn["gold"]) != sorted(question["gold"]):
        yield "gold segments differ from its question"
    if (row["part"] == Part.SHORT_CONTEXT) != question["short_context"]:
        yield "part differs from its question"

"""Store questions, rejected questions, conversations and examples as Parquet files, with one schema each.

A file gets its final name when it is complete. It has row groups of a thousand rows, and the same rows give the same
bytes, whether they arrive one by one or in record batches of any size.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from in2_plugin.examples.planner import Conversation, Example
from in2_plugin.io.atomic import commit_part
from in2_plugin.questions import Kind, Part, Question, Rejection
from in2_plugin.questions.question import RECORDS_WRITER

IDS = pa.list_(pa.uint32())
QUESTIONS = pa.schema(
    [
        ("kind", pa.string()),
        ("form", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("document", pa.uint32()),
        ("segment_ids", IDS),
        ("gold", IDS),
        ("exclusive", pa.list_(pa.string())),
        ("writer", pa.string()),
        ("verified", pa.list_(pa.string())),
        ("request", pa.string()),
        ("short_context", pa.bool_()),
    ]
)
REJECTED = pa.schema([*QUESTIONS, ("reason", pa.string())])
SPANS = pa.list_(pa.struct([("segment_id", pa.uint32()), ("start", pa.uint32()), ("stop", pa.uint32())]))
TURN = pa.struct(
    [
        ("kind", pa.string()),
        ("form", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("document", pa.uint32()),
        ("segment_ids", IDS),
        ("gold", SPANS),
        ("n_answer_tokens", pa.uint32()),
    ]
)
EXAMPLES = pa.schema(
    [
        ("part", pa.string()),
        ("segment_ids", IDS),
        ("turns", pa.list_(TURN)),
        ("n_tokens", pa.uint32()),
        ("n_answer_tokens", pa.uint32()),
    ]
)
QUESTION_AND_ANSWER = pa.struct([("question", pa.string()), ("answer", pa.string())])
CONVERSATIONS = pa.schema([("source", pa.string()), ("turns", pa.list_(QUESTION_AND_ANSWER))])
ROW_GROUP = 1_000


class BatchWriter:
    """Writes record batches to a Parquet file; it gets its final name when the `with` block ends without an error."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._group: list[pa.RecordBatch] = []
        self.count = 0

    def __enter__(self) -> Self:
        part = self._path.with_name(self._path.name + ".part")
        self._writer = pq.ParquetWriter(part, self._schema, compression="zstd")
        return self

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows; memory is bounded by one row group."""
        while batch.num_rows:
            taken = batch.slice(0, ROW_GROUP - self.count % ROW_GROUP)
            self._group.append(taken)
            self.count += taken.num_rows
            batch = batch.slice(taken.num_rows)
            if self.count % ROW_GROUP == 0:
                self._flush()

    def _flush(self) -> None:
        # as one chunk: chunk boundaries would affect the pages of the file
        self._writer.write_table(pa.Table.from_batches(self._group, self._schema).combine_chunks())
        self._group.clear()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._group:
            self._flush()
        self._writer.close()
        if kind is None:
            commit_part(self._path)


class RowWriter:
    """Writes rows to a Parquet file; it gets its final name when the `with` block ends without an error."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._batches, self._schema = BatchWriter(path, schema), schema
        self._rows: list[dict[str, Any]] = []
        self.count = 0

    def __enter__(self) -> Self:
        self._batches.__enter__()
        return self

    def add(self, row: dict[str, Any]) -> None:
        """Add a row; memory is bounded by one row group."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._batches.add(pa.RecordBatch.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._rows:
            self._flush()
        self._batches.__exit__(kind)


def write_rows(path: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema) -> int:
    """Write `rows` to a Parquet file, and return their number."""
    with RowWriter(path, schema) as writer:
        for row in rows:
            writer.add(row)
    return writer.count


def question_row(question: Question) -> dict[str, Any]:
    """Return a row of questions.parquet."""
    return _fields(question)


def example_row(example: Example) -> dict[str, Any]:
    """Return a row of examples.parquet."""
    turns = [{**_fields(turn), "gold": list(map(_fields, turn.gold))} for turn in example.turns]
    return {**_fields(example), "turns": turns, "segment_ids": example.segment_ids.tolist()}


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of a slotted dataclass; `asdict`, which copies their values, takes twenty times as long."""
    return {name: getattr(value, name) for name in value.__slots__}


def rejection_row(rejection: Rejection) -> dict[str, Any]:
    """Return a row of rejected.parquet with the known columns of the question."""
    passage = rejection.passage
    known = {name: getattr(rejection, name) for name in ("reason", "question", "answer", "writer", "request")}
    return {**known, "kind": passage.kind, "document": passage.document, "segment_ids": passage.segment_ids}


class StoredQuestions(Sequence[Question]):
    """The questions of a finished questions.parquet, by number. One Arrow table, about 600 bytes per question."""

    def __init__(self, path: Path) -> None:
        self._table = pq.read_table(path, schema=QUESTIONS).combine_chunks()

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def numbers(self, part: Part, kind: Kind) -> npt.NDArray[np.int64]:
        """Return the numbers of the questions of one kind and part, in order."""
        is_kind = np.array(pc.equal(self._table["kind"], str(kind)))
        is_short = np.array(self._table["short_context"], bool)
        is_record = np.array(pc.starts_with(self._table["writer"], RECORDS_WRITER))
        is_part = (is_short == (part is Part.SHORT_CONTEXT)) & (is_record == (part is Part.RECORDS))
        return np.flatnonzero(is_kind & is_part)

    @overload
    def __getitem__(self, number: int) -> Question: ...
    @overload
    def __getitem__(self, number: slice) -> list[Question]: ...
    def __getitem__(self, number: int | slice) -> Question | list[Question]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if number >= len(self):
            raise IndexError(number)
        (row,) = self._table.slice(number, 1).to_pylist()
        return question_of(row)


class StoredConversations(Sequence[Conversation]):
    """The conversations of a finished instructions.parquet, by number, in one Arrow table."""

    def __init__(self, path: Path) -> None:
        self._table = pq.read_table(path, schema=CONVERSATIONS).combine_chunks()

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    def most_turns(self) -> int:
        """Maximum number of turns of a conversation; 0 without conversations."""
        return int(pc.max(pc.list_value_length(self._table["turns"])).as_py() or 0)

    @overload
    def __getitem__(self, number: int) -> Conversation: ...
    @overload
    def __getitem__(self, number: slice) -> list[Conversation]: ...
    def __getitem__(self, number: int | slice) -> Conversation | list[Conversation]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if number >= len(self):
            raise IndexError(number)
        (row,) = self._table.slice(number, 1).to_pylist()
        return conversation_of(row)


def question_of(row: Mapping[str, Any]) -> Question:
    """Return the question of a row."""
    lists = {name: tuple(row[name]) for name in ("segment_ids", "gold", "exclusive", "verified")}
    return Question(**{**row, **lists, "kind": Kind(row["kind"])})


def conversation_of(row: Mapping[str, Any]) -> Conversation:
    """Return the conversation of a row."""
    return Conversation(row["source"], tuple((turn["question"], turn["answer"]) for turn in row["turns"]))


def read_rows(path: Path, groups: Iterable[int] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of all row groups of a Parquet file, or of some by number, with one row group in memory."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups) if groups is None else groups:
            yield from file.read_row_group(group).to_pylist()

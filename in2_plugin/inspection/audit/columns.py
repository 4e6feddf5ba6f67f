"""Read row groups of examples.parquet as flat arrays, so that a million examples are audited in minutes.

Invariant: every array of segments, turns, own segments and golds has a parallel array with the row or turn of each
entry, ascending. Memory: one row group, about 10 MB for a thousand examples of 16K tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin.config import PARTS
from in2_plugin.dataset.tables import EXAMPLES
from in2_plugin.errors import DatasetError
from in2_plugin.inspection.report import REBUILD_EXAMPLES

Ints = npt.NDArray[np.int64]
NO_DOCUMENT = -1


@dataclass(frozen=True, slots=True)
class Columns:
    """Consecutive rows of examples.parquet."""

    first: int
    """Number of the first row."""
    table: pa.Table
    part: Ints
    """(n_rows,) index in PARTS; -1 for an unknown part."""
    n_tokens: Ints
    n_answer_tokens: Ints
    segment_row: Ints
    """(n_segments,) row of each segment, counted from `first`."""
    segment: Ints
    turn_row: Ints
    """(n_turns,)"""
    kind: list[str]
    form: list[str]
    question: list[str]
    answer: list[str]
    document: Ints
    """(n_turns,) NO_DOCUMENT for conversations."""
    turn_answer_tokens: Ints
    own_turn: Ints
    """(n_own,) turn of each segment that belongs to a question."""
    own: Ints
    gold_turn: Ints
    """(n_golds,)"""
    gold: Ints

    def __len__(self) -> int:
        return len(self.part)

    def row(self, number: int) -> dict[str, Any]:
        """Return a row by its number in the file."""
        (row,) = self.table.slice(number - self.first, 1).to_pylist()
        return dict(row)


def read_columns(path: Path) -> Iterator[Columns]:
    """Yield the row groups of examples.parquet.

    Raises:
        DatasetError: columns are missing or unknown, or contain nulls.
    """
    first = 0
    with pq.ParquetFile(path) as file:
        if file.schema_arrow.remove_metadata() != EXAMPLES:
            raise DatasetError(f"{path}: columns are missing or unknown; {REBUILD_EXAMPLES}")
        for group in range(file.num_row_groups):
            table = file.read_row_group(group).combine_chunks()
            yield _columns(path, first, table)
            first += table.num_rows


def _columns(path: Path, first: int, table: pa.Table) -> Columns:
    def values(array: pa.Array) -> pa.Array:
        if array.null_count:
            raise DatasetError(f"{path}: contains nulls after row {first:,}; {REBUILD_EXAMPLES}")
        return array

    def ints(array: pa.Array) -> Ints:
        return np.asarray(values(array)).astype(np.int64)

    def owners(array: pa.Array) -> Ints:
        return np.repeat(np.arange(len(array)), np.asarray(values(array).value_lengths()))

    columns = {name: _whole(table[name]) for name in table.column_names}
    turns = columns["turns"].flatten()
    turn = dict(zip((field.name for field in turns.type), turns.flatten(), strict=True))
    known = {part: index for index, part in enumerate(PARTS)}
    return Columns(
        first=first,
        table=table,
        part=np.array([known.get(part, -1) for part in values(columns["part"]).to_pylist()], np.int64),
        n_tokens=ints(columns["n_tokens"]),
        n_answer_tokens=ints(columns["n_answer_tokens"]),
        segment_row=owners(columns["segment_ids"]),
        segment=ints(columns["segment_ids"].flatten()),
        turn_row=owners(columns["turns"]),
        kind=values(turn["kind"]).to_pylist(),
        form=values(turn["form"]).to_pylist(),
        question=values(turn["question"]).to_pylist(),
        answer=values(turn["answer"]).to_pylist(),
        document=np.asarray(turn["document"].cast(pa.int64()).fill_null(NO_DOCUMENT)),
        turn_answer_tokens=ints(turn["n_answer_tokens"]),
        own_turn=owners(turn["segment_ids"]),
        own=ints(turn["segment_ids"].flatten()),
        gold_turn=owners(turn["gold"]),
        gold=ints(turn["gold"].flatten().field("segment_id")),
    )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)

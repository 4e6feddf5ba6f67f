"""The rows of a study: one line of JSON per finished cell, and the scores of its questions in Parquet, without text.

    rows.jsonl                   appended and synced when a cell is finished
    scores/MODEL-MEASURE.parquet task, length, unit, position, n_positions, score, context

A unit is what a position belongs to: a question of a position probe, a context of VAL, a block of text. Invariant: the
scores are complete before their row is written, and a row that a kill has cut off is removed when the file is opened.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin.errors import ReportError
from in2_plugin.io.atomic import write_atomic

TRAIN = "train"
"""Measure of a row about training."""
UNKNOWN = -1
"""Context of a score that has none, or whose source does not name it."""
KINDS = ("prose", "code", "dialogue")
"""Texts that no arm saw; their tasks are `text_KIND`, their scores nats per token."""
SCHEMA = pa.schema(
    [
        ("task", pa.dictionary(pa.int32(), pa.string())),
        ("length", pa.int32()),
        ("unit", pa.int32()),
        ("position", pa.int32()),
        ("n_positions", pa.int32()),
        ("score", pa.float32()),
        ("context", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the study."""

    arm: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.arm}-s{self.seed}"


@dataclass(frozen=True, slots=True)
class ScoredUnit:
    """One score."""

    task: str
    length: int
    """Tokens of the context; 0 without one."""
    unit: int
    position: int
    n_positions: int
    """1 where the score belongs to no depth."""
    score: float
    context: int = UNKNOWN
    """Number of the context among those of its task; questions with the same number share it."""


class Rows:
    """The rows in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "rows.jsonl"
        self.all: list[dict[str, Any]] = list(_complete_rows(self._file))

    def find(self, model: Model, measure: str) -> dict[str, Any] | None:
        """Return the row of a cell, or None if it is not finished."""
        cell = (model.arm, model.seed, measure)
        return next((row for row in self.all if (row["arm"], row["seed"], row["measure"]) == cell), None)

    def add(self, model: Model, measure: str, scores: Sequence[ScoredUnit], **facts: Any) -> None:
        """Store the scores and the row of a finished cell."""
        row: dict[str, Any] = {"arm": model.arm, "seed": model.seed, "measure": measure, **facts}
        if scores:
            row["scores"] = f"scores/{model.name}-{measure}.parquet"
            write_scores(self._folder / row["scores"], scores)
        _cut_incomplete(self._file)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.all.append(row)

    def scores(self, row: dict[str, Any]) -> Iterator[ScoredUnit]:
        """Yield the scores of a row.

        Raises:
            ReportError: its file is missing.
        """
        if "scores" not in row:
            return
        path = self._folder / row["scores"]
        if not path.is_file():
            raise ReportError(f"{path} is missing, and rows.jsonl names it; copy the whole folder")
        for unit in pq.read_table(path).to_pylist():
            yield ScoredUnit(**unit)


def whole_seconds(row: dict[str, Any]) -> float | None:
    """Return how long a cell takes without an interruption; None if its last attempt had no step left to train."""
    if row["measure"] != TRAIN:
        return float(row["seconds"])
    timed: int = row["timed_steps"]
    return row["seconds"] * row["steps"] / timed if timed else None


def write_scores(path: Path, scores: Sequence[ScoredUnit]) -> None:
    """Write scores to a Parquet file, atomically."""
    columns = {name: [getattr(one, name) for one in scores] for name in SCHEMA.names}
    table = pa.table({name: pa.array(columns[name]).cast(SCHEMA.field(name).type) for name in SCHEMA.names}, SCHEMA)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, lambda part: pq.write_table(table, part, compression="zstd"))


def _cut_incomplete(file: Path) -> None:
    content = file.read_bytes() if file.exists() else b""
    if content and not content.endswith(b"\n"):
        os.truncate(file, content.rfind(b"\n") + 1)


def _complete_rows(file: Path) -> Iterator[dict[str, Any]]:
    if not file.exists():
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(keepends=True), start=1):
        if not line.endswith("\n"):
            return  # a kill cut it off; its cell runs again
        try:
            yield dict(json.loads(line))
        except ValueError:
            raise ReportError(f"{file}:{number}: is not JSON; delete the line, and its cell runs again") from None

"""Arrange results for the paper's other tables, in the paper's order and next to its numbers.

Invariant: a number measured differently from the paper's table (other shots, fewer items) is marked and is in no
average, and an average needs every row. The templates and the JSON use these rows. Cost: one parse per file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError
from in2_plugin.reporting.suite.benchmarks import PAPER_TABLES, Benchmark, PaperTable
from in2_plugin.reporting.suite.results import Measured, SuiteResults


@dataclass(frozen=True, slots=True)
class BenchmarkCell:
    """What one model scored, as a fraction of one."""

    value: float
    stderr: float | None
    marks: tuple[str, ...] = ()
    """Differences from the paper's setting, in words."""

    @property
    def percent(self) -> str:
        return f"{100 * self.value:.1f}"

    @property
    def error(self) -> str:
        """Return the standard error in points; empty if lm_eval has none."""
        return "" if self.stderr is None else f"± {100 * self.stderr:.1f}"


@dataclass(frozen=True, slots=True)
class Row:
    """One benchmark, or the average of a table."""

    title: str
    metric: str
    shots: int | None
    """As in the paper; None for an average."""
    cells: tuple[BenchmarkCell | None, ...]
    """One per model, None if not measured."""
    paper: tuple[float, ...]
    """In percent, in the order of the table's `paper`."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the paper."""

    name: str
    title: str
    caption: str
    paper: tuple[str, ...]
    rows: tuple[Row, ...]
    average: Row | None

    @property
    def is_empty(self) -> bool:
        return not any(cell for row in self.rows for cell in row.cells)


@dataclass(frozen=True, slots=True)
class Suite:
    """The tables of which at least one row was measured."""

    labels: tuple[str, ...]
    tables: tuple[Table, ...]

    def as_json(self) -> dict[str, Any]:
        """Everything at full precision; scores as fractions of one, those of the paper too."""
        return {table.name: _table_json(table, self.labels) for table in self.tables}


def read_suite(sources: Sequence[Path], labels: Sequence[str]) -> Suite | None:
    """Read one model a source: a results file of lm_eval, or a folder of them; None when none ran any of the tasks.

    Raises:
        ConfigError: the labels are not one a source.
        ReportError: a file is damaged, or a folder holds results of two models.
    """
    if len(sources) != len(labels):
        raise ConfigError(f"there are {len(sources)} results but {len(labels)} labels; give --label once for each")
    models = [SuiteResults(source) for source in sources]
    for model in models:
        model.refuse_two_models([name for paper in PAPER_TABLES for row in paper.rows for name in _names(row)])
    tables = [_table(paper, models) for paper in PAPER_TABLES]
    found = tuple(table for table in tables if not table.is_empty)
    return Suite(tuple(labels), found) if found else None


def _names(row: Benchmark) -> tuple[str, ...]:
    return (*row.tasks, *row.same_as)


def _table(paper: PaperTable, models: Sequence[SuiteResults]) -> Table:
    rows = tuple(
        Row(row.title, row.metric, row.shots, tuple(_cell(row, model) for model in models), row.paper)
        for row in paper.rows
    )
    return Table(paper.name, paper.title, paper.caption, paper.paper, rows, _average(paper, rows, len(models)))


def _cell(row: Benchmark, model: SuiteResults) -> BenchmarkCell | None:
    """Return the mean over the row's tasks, or None unless all were measured."""
    found = [model.newest(task, row.metric) for task in row.tasks]
    if row.same_as and found[0] is None:
        found = [next(filter(None, (model.newest(name, row.metric) for name in row.same_as)), None)]
    parts = [part for part in found if part is not None]
    if len(parts) < len(found):
        return None
    weights = [part.items if row.by_size else 1 for part in parts]
    total = sum(weights)
    value = sum(weight * part.value for weight, part in zip(weights, parts, strict=True)) / total
    errors = [part.stderr for part in parts]
    return BenchmarkCell(value, _pooled(errors, [weight / total for weight in weights]), _marks(row, parts))


def _pooled(errors: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """Standard error of a weighted mean of independent parts; None where one of them has none."""
    known = [weight * error for weight, error in zip(weights, errors, strict=True) if error is not None]
    return math.sqrt(sum(one * one for one in known)) if len(known) == len(errors) else None


def _marks(row: Benchmark, parts: Sequence[Measured]) -> tuple[str, ...]:
    shots = sorted(frozenset[int]().union(*(part.shots for part in parts)))
    items, original = sum(part.items for part in parts), sum(part.original for part in parts)
    marks = [f"{' and '.join(map(str, shots))}-shot"] if shots and shots != [row.shots] else []
    return (*marks, *([f"{items:,} of {original:,} items"] if items < original else []))


def _average(paper: PaperTable, rows: Sequence[Row], n_models: int) -> Row | None:
    if paper.average is None:
        return None
    return Row(
        "Average", "", None, tuple(_mean([row.cells[i] for row in rows]) for i in range(n_models)), paper.average
    )


def _mean(cells: Sequence[BenchmarkCell | None]) -> BenchmarkCell | None:
    """Return the plain mean, or None unless every row was measured as in the paper's table."""
    whole = [cell for cell in cells if cell is not None and not cell.marks]
    if len(whole) < len(cells):
        return None
    share = 1 / len(whole)
    return BenchmarkCell(
        share * sum(cell.value for cell in whole), _pooled([c.stderr for c in whole], [share] * len(whole))
    )


def _table_json(table: Table, labels: Sequence[str]) -> dict[str, Any]:
    rows = [*table.rows, *([table.average] if table.average else [])]
    return {
        "title": table.title,
        "rows": [
            {
                "title": row.title,
                "metric": row.metric or None,
                "shots": row.shots,
                "models": {label: _cell_json(cell) for label, cell in zip(labels, row.cells, strict=True)},
                "paper": {name: round(value / 100, 6) for name, value in zip(table.paper, row.paper, strict=True)},
            }
            for row in rows
        ],
    }


def _cell_json(cell: BenchmarkCell | None) -> dict[str, Any] | None:
    return None if cell is None else {"score": cell.value, "stderr": cell.stderr, "differs": list(cell.marks)}

"""Format the report's tables as text cells, shared by the page and the terminal.

Invariant: only the functions of `wording.py` turn numbers into text, so that page, terminal and figure always agree.
Lengths, the matrix and the settings have separate modules (`lengths.py`, `matrix.py`, `run_settings.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from in2_plugin.probing.scoring.dip import PositionEffect, curve_effect, mean_effect
from in2_plugin.reporting.baselines import baseline_values
from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.evidence import Change
from in2_plugin.reporting.paper_numbers import PAPER_CURVES, PAPER_ROWS, PAPER_TASKS, PaperRow, title
from in2_plugin.reporting.results import ModelResult, Score, TaskResult
from in2_plugin.reporting.text.wording import (
    ABSENT,
    chance,
    estimate,
    interval,
    percent,
    signed,
    tokens,
)

BASELINE_NAMES = {"echo": "Baseline: quoted part repeated", "other": "Baseline: a random other item"}


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """The scores of one probe in percent; intervals are empty where they are not known."""

    avg: str
    gap: str
    avg_interval: str = ""
    gap_interval: str = ""
    dip: str = ABSENT
    dip_interval: str = ""
    slope: str = ABSENT
    slope_interval: str = ""


NOTHING = ScoreCell(ABSENT, ABSENT)


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One row of scores; `cells` are in the order of `columns`."""

    name: str
    measured: str
    """Conditions of the measurement, if they differ from those of the report."""
    cells: tuple[ScoreCell, ...]
    model: int | None = None
    """Index of the model, from 0."""


@dataclass(frozen=True, slots=True)
class GapRow:
    """One measured gap next to the gap that chance gives, in percentage points."""

    task: str
    model: str
    gap: str
    gap_interval: str
    expected: str
    percentile_95: str
    chance: str
    rows: str
    beyond_chance: bool


def columns(comparison: Comparison) -> tuple[str, ...]:
    """Return the headings of the probes, then "All", the mean over the paper's three."""
    return (*(title(task) for task in comparison.tasks), "All")


def measured_rows(comparison: Comparison) -> list[ScoreRow]:
    """Scores of the measured models; below each its score without the context, where that was run."""
    rows = []
    for index, model in enumerate(comparison.models):
        if model.tasks:
            rows.append(ScoreRow(model.label, "", _cells(comparison, model), index))
        closed = {result.task: result for result in model.of_family("closed_book")}
        if closed:
            name = "without the context" if model.tasks else f"{model.label}, without the context"
            rows.append(ScoreRow(name, "", _averages(closed, comparison.tasks)))
    return rows


def _cells(comparison: Comparison, model: ModelResult) -> tuple[ScoreCell, ...]:
    cells = [_cell(comparison, model, model.tasks.get(task)) for task in comparison.tasks]
    limits = interval(comparison.overall[model.label])
    whole = model.all
    position = _position(comparison.overall_position[model.label])
    return (*cells, ScoreCell(percent(whole.avg), percent(whole.gap), limits, "", *position) if whole else NOTHING)


def _cell(comparison: Comparison, model: ModelResult, result: TaskResult | None) -> ScoreCell:
    if result is None:
        return NOTHING
    known, score = comparison.of(model, result), result.score
    limits = interval(known.avg), interval(known.gap)
    return ScoreCell(percent(score.avg), percent(score.gap), *limits, *_position(known.position))


def _position(effect: PositionEffect | None) -> tuple[str, str, str, str]:
    return (*estimate(effect.dip if effect else None), *estimate(effect.slope if effect else None))


def _averages(results: Mapping[str, TaskResult], tasks: Sequence[str]) -> tuple[ScoreCell, ...]:
    """Return averages only: without a context there are no positions to have a gap."""
    cells = [ScoreCell(percent(results[task].score.avg), ABSENT) if task in results else NOTHING for task in tasks]
    if not set(PAPER_TASKS) <= set(results):
        return (*cells, NOTHING)
    whole = sum(results[task].score.avg for task in PAPER_TASKS) / len(PAPER_TASKS)
    return (*cells, ScoreCell(percent(whole), ABSENT))


def baseline_rows(comparison: Comparison) -> list[ScoreRow]:
    """Return the baselines in the results, as a range where the models' probes differ."""
    rows = []
    for name, label in BASELINE_NAMES.items():
        cells = [_range(baseline_values(comparison.models, task, name)) for task in comparison.tasks]
        if any(cell is not NOTHING for cell in cells):
            rows.append(ScoreRow(label, "", (*cells, NOTHING)))
    return rows


def _range(values: Sequence[float]) -> ScoreCell:
    if not values:
        return NOTHING
    low, high = percent(min(values)), percent(max(values))
    return ScoreCell(low if low == high else f"{low}-{high}", ABSENT)


def authors_rows(comparison: Comparison) -> list[ScoreRow]:
    """Models on the authors' own data: scored as published, and with all positions counted."""
    rows = []
    for index, model in enumerate(comparison.models):
        results = {result.task: result for result in model.of_family("paper")}
        published = {task: result.published for task, result in results.items() if result.published}
        if published:
            rows.append(
                ScoreRow(model.label, "authors' data, as published", _scores(published, comparison.tasks), index)
            )
        if results:
            overall = _scores({task: result.score for task, result in results.items()}, comparison.tasks)[-1]
            cells = [_cell(comparison, model, results.get(task)) for task in comparison.tasks]
            rows.append(ScoreRow(model.label, "authors' data, all positions", (*cells, overall), index))
    return rows


def _scores(scores: Mapping[str, Score], tasks: Sequence[str]) -> tuple[ScoreCell, ...]:
    cells = [ScoreCell(percent(scores[t].avg), percent(scores[t].gap)) if t in scores else NOTHING for t in tasks]
    if not set(PAPER_TASKS) <= set(scores):
        return (*cells, NOTHING)
    avg, gap = (sum(getattr(scores[task], name) for task in PAPER_TASKS) / len(PAPER_TASKS) for name in ("avg", "gap"))
    return (*cells, ScoreCell(percent(avg), percent(gap)))


def paper_rows(comparison: Comparison) -> list[ScoreRow]:
    """Return the paper's rows in the same columns."""
    return [
        ScoreRow(row.name, row.measured, tuple(_paper_cell(row, task) for task in (*comparison.tasks, "all")))
        for row in PAPER_ROWS
    ]


def _paper_cell(row: PaperRow, task: str) -> ScoreCell:
    if task not in row.numbers:
        return NOTHING
    avg, gap = row.numbers[task]
    effects = [_paper_effect(row, one) for one in (PAPER_TASKS if task == "all" else (task,))]
    found = [effect for effect in effects if effect]
    return ScoreCell(f"{avg:.1f}", f"{gap:.1f}", "", "", *_position(mean_effect(found) if found else None))


def _paper_effect(row: PaperRow, task: str) -> PositionEffect | None:
    """Return dip and slope of the paper's curve, if it has one of this model; read off its figure to about a point."""
    curve = PAPER_CURVES[task].get(f"{row.name.split('-')[0]}, paper")
    return curve_effect([value / 100 for value in curve]) if curve else None


def change_rows(comparison: Comparison) -> list[ScoreRow]:
    """Return each later model minus the first in points, if scores of single questions are known."""
    rows = []
    for index, model in enumerate(comparison.models):
        changes = {one.tasks: one for one in comparison.changes if one.after == model.label}
        if not changes:
            continue
        shown = [changes.get(tasks) for tasks in (*((task,) for task in comparison.tasks), PAPER_TASKS)]
        paired = all(one.difference.is_paired for one in changes.values())
        cells = tuple(_change_cell(one) if one else NOTHING for one in shown)
        rows.append(ScoreRow(model.label, "same questions" if paired else "other questions", cells, index))
    return rows


def _change_cell(change: Change) -> ScoreCell:
    one = change.difference
    limits = interval(one.avg_interval, is_difference=True), interval(one.gap_interval, is_difference=True)
    return ScoreCell(signed(one.avg), signed(one.gap), *limits, *_position(change.position))


def gap_rows(comparison: Comparison, other_lengths: bool = False) -> list[GapRow]:
    """Return every measured gap next to the flat model's, at the representative length or at the other lengths."""
    return [
        _gap_row(comparison, model, result, other_lengths)
        for task in comparison.tasks
        for model in comparison.models
        for result in model.of_family("", task)
        if (model.tasks[task].key != result.key) == other_lengths
    ]


def _gap_row(comparison: Comparison, model: ModelResult, result: TaskResult, with_length: bool) -> GapRow:
    known = comparison.of(model, result)
    return GapRow(
        task=f"{title(result.task)}, {tokens(result.key.length)}" if with_length else title(result.task),
        model=model.label,
        gap=percent(result.score.gap),
        gap_interval=interval(known.gap),
        expected=percent(known.flat.expected),
        percentile_95=percent(known.flat.percentile_95),
        chance=chance(known.flat),
        rows=f"{result.rows:,}",
        beyond_chance=known.beyond_chance,
    )

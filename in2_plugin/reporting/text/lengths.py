"""Tabulate scores by length: one table per probe, one row per model, ending with the effective length.

Invariant: only models that ran a probe at two lengths or more have an effective length; nothing is interpolated.
"""

from dataclasses import dataclass

from in2_plugin.probing.scoring.statistics import SHARE, effective_length
from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.paper_numbers import title
from in2_plugin.reporting.results import ModelResult, registered
from in2_plugin.reporting.text.wording import ABSENT, estimate, interval, percent, tokens

RULE = (
    f"Effective length: the longest length such that it and every shorter one keep at least {SHARE:.0%} of the score "
    "at the shortest length (the rule of NoLiMa, arXiv 2502.05167, there with very short contexts as the base)."
)


@dataclass(frozen=True, slots=True)
class LengthCell:
    """One model at one length."""

    avg: str
    avg_interval: str
    dip: str
    dip_interval: str
    gap: str
    within_chance: bool


@dataclass(frozen=True, slots=True)
class LengthRow:
    """One model; a cell a length, None where it was not run."""

    model: int
    """Index of the model, from 0."""
    name: str
    cells: tuple[LengthCell | None, ...]
    effective: str


@dataclass(frozen=True, slots=True)
class LengthTable:
    """One probe."""

    task: str
    title: str
    lengths: tuple[str, ...]
    rows: tuple[LengthRow, ...]


def length_tasks(comparison: Comparison) -> list[str]:
    """Probes that at least one model ran at two lengths or more."""
    return [task for task in registered() if any(len(model.of_family("", task)) > 1 for model in comparison.models)]


def length_tables(comparison: Comparison) -> list[LengthTable]:
    """Return one table per probe that was run at two lengths or more."""
    return [_table(comparison, task) for task in length_tasks(comparison)]


def effective(model: ModelResult, task: str) -> int | None:
    """Effective length in tokens, None with fewer than two lengths."""
    return effective_length({result.key.length: result.score.avg for result in model.of_family("", task)})


def _table(comparison: Comparison, task: str) -> LengthTable:
    models = [(index, model) for index, model in enumerate(comparison.models) if model.of_family("", task)]
    lengths = sorted({result.key.length for _, model in models for result in model.of_family("", task)})
    rows = tuple(
        LengthRow(index, model.label, _cells(comparison, model, task, lengths), _effective(model, task))
        for index, model in models
    )
    return LengthTable(task, title(task), tuple(tokens(length) for length in lengths), rows)


def _effective(model: ModelResult, task: str) -> str:
    length = effective(model, task)
    if length is None:
        return ABSENT
    longest = max(result.key.length for result in model.of_family("", task))
    return f"{tokens(length)} or more" if length == longest else tokens(length)


def _cells(comparison: Comparison, model: ModelResult, task: str, lengths: list[int]) -> tuple[LengthCell | None, ...]:
    found = {result.key.length: result for result in model.of_family("", task)}
    cells: list[LengthCell | None] = []
    for length in lengths:
        result = found.get(length)
        if result is None:
            cells.append(None)
            continue
        known = comparison.of(model, result)
        within = not known.beyond_chance
        dip = estimate(known.position.dip if known.position else None)
        score = result.score
        cells.append(LengthCell(percent(score.avg), interval(known.avg), *dip, percent(score.gap), within))
    return tuple(cells)

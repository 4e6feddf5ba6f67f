"""The report's tables as text cells, shared by the page and the terminal.

Invariant: a number is formatted here and nowhere else, so that page, terminal and figure always agree.
"""

from collections.abc import Callable
from dataclasses import dataclass

from in2_plugin.reporting.comparison import DEFAULT, UNKNOWN, Comparison, conditions, percent
from in2_plugin.reporting.reference import PAPER_ROWS, TASKS, TITLES
from in2_plugin.reporting.results import ModelResult, Score, TaskResult

COLUMNS = (*(TITLES[task] for task in TASKS), "All")
ABSENT = "–"
FACT_NAMES = {
    "probe_length": "Context length, tokens",
    "probe_sets": "Context sets",
    "probe_questions": "Questions",
    "probe_seed": "Seed",
    "probe_template": "Prompt template",
    "number of scored rows": "Scored rows",
    "task version": "Task version",
    "chat template": "Chat template",
}
"""How options are called in the report; any other `probe_*` option keeps its own name."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One model; `cells` are (average, gap) in percent, in the order of COLUMNS."""

    name: str
    measured: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class GapRow:
    """One measured gap beside what chance gives, in percentage points."""

    task: str
    model: str
    gap: str
    expected: str
    percentile_95: str
    rows: str
    beyond_chance: bool


def measured_rows(comparison: Comparison) -> list[ScoreRow]:
    """Averages and gaps of the measured models."""
    return [
        ScoreRow(
            model.label,
            "",
            tuple(
                _score(score)
                for score in (*(model.tasks[task].score if task in model.tasks else None for task in TASKS), model.all)
            ),
        )
        for model in comparison.models
    ]


def paper_rows() -> list[ScoreRow]:
    """The paper's rows in the same columns."""
    return [
        ScoreRow(row.name, row.measured, tuple((f"{avg:.1f}", f"{gap:.1f}") for avg, gap in row.numbers.values()))
        for row in PAPER_ROWS
    ]


def _score(score: Score | None) -> tuple[str, str]:
    return (percent(score.avg), percent(score.gap)) if score else (ABSENT, ABSENT)


def gap_rows(comparison: Comparison) -> list[GapRow]:
    """Every measured gap, probe by probe, beside the flat model's."""
    return [
        GapRow(
            task=TITLES[task],
            model=model.label,
            gap=percent(model.tasks[task].score.gap),
            expected=percent(comparison.flat[model.label, task].expected),
            percentile_95=percent(comparison.flat[model.label, task].percentile_95),
            rows=f"{model.tasks[task].rows:,}",
            beyond_chance=comparison.beyond_chance(model, task),
        )
        for task in TASKS
        for model in comparison.models
        if task in model.tasks
    ]


def fact_rows(comparison: Comparison) -> list[tuple[str, tuple[str, ...]]]:
    """What was measured: a fact's name and its value for each model."""
    results = [result for model in comparison.models for result in model.tasks.values()]
    arguments = dict.fromkeys(name for model in comparison.models for name in _beyond_name(model))
    options = {name for result in results for name in conditions(result)}
    rows = [("Model", tuple(model.model_name for model in comparison.models))]
    rows += [(name, _each(comparison, _argument(name))) for name in arguments]
    # known names first and in their order, so that two reports read alike
    for name in sorted(options, key=lambda name: ([*FACT_NAMES, name].index(name), name)):
        rows.append((FACT_NAMES.get(name, name), _each(comparison, _condition(name))))
    rows.append(("Date", _each(comparison, lambda r: f"{r.date:%Y-%m-%d %H:%M} UTC" if r.date else UNKNOWN)))
    rows.append(("lm_eval", _each(comparison, lambda r: r.lm_eval or UNKNOWN)))
    rows.append(("Results file", _each(comparison, lambda r: str(r.file))))
    return rows


def _beyond_name(model: ModelResult) -> list[str]:
    """Model arguments that say more than the model's name, which has a row of its own."""
    pairs = [pair for result in model.tasks.values() for pair in result.model_args.items()]
    return [name for name, value in pairs if value != model.model_name]


def _argument(name: str) -> Callable[[TaskResult], str]:
    return lambda result: result.model_args.get(name, ABSENT)


def _condition(name: str) -> Callable[[TaskResult], str]:
    return lambda result: conditions(result).get(name, DEFAULT)


def _each(comparison: Comparison, fact: Callable[[TaskResult], str]) -> tuple[str, ...]:
    return tuple(_one(model, fact) for model in comparison.models)


def _one(model: ModelResult, fact: Callable[[TaskResult], str]) -> str:
    """The value if all probes share it, otherwise each probe's with its name."""
    values = {task: fact(result) for task, result in model.tasks.items()}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    return ", ".join(f"{value} ({task})" for task, value in values.items())

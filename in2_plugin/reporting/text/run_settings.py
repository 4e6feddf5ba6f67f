"""Tabulate the settings of each run: model, options, dates and files, one row per setting.

Invariant: rows have a fixed order, so that reports are easy to compare, and a value shared by all probes appears once.
"""

from collections.abc import Callable

from in2_plugin.reporting.comparison import DEFAULT, UNKNOWN, Comparison, conditions
from in2_plugin.reporting.results import ModelResult, TaskResult
from in2_plugin.reporting.text.wording import ABSENT, listed, probe_name, tokens

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
"""Names of options in the report; any other `probe_*` option keeps its own name."""


def fact_rows(comparison: Comparison) -> list[tuple[str, tuple[str, ...]]]:
    """Return rows of a setting's name and its value for each model."""
    shown = [_shown(model) for model in comparison.models]
    results = [result for found in shown for result in found.values()]
    arguments = dict.fromkeys(name for model in comparison.models for name in _beyond_name(model))
    options = {name for result in results for name in conditions(result)}
    rows = [("Model", tuple(model.model_name for model in comparison.models))]
    rows += [(name, _each(comparison, _argument(name))) for name in arguments]
    # known names first and in their order, so that reports are easy to compare
    for name in sorted(options, key=lambda name: ([*FACT_NAMES, name].index(name), name)):
        rows.append((FACT_NAMES.get(name, name), _each(comparison, _condition(name))))
    others = tuple(_others(model) for model in comparison.models)
    rows += [("Besides", others)] if any(other != ABSENT for other in others) else []
    rows.append(("Date", _each(comparison, lambda r: f"{r.date:%Y-%m-%d %H:%M} UTC" if r.date else UNKNOWN)))
    rows.append(("lm_eval", _each(comparison, lambda r: r.lm_eval or UNKNOWN)))
    rows.append(("Results file", _each(comparison, lambda r: str(r.file))))
    return rows


def _shown(model: ModelResult) -> dict[str, TaskResult]:
    """Return the results whose settings are listed: the three probes, or all if none of them was run."""
    return dict(model.tasks) or {probe_name(key, False): result for key, result in model.probes.items()}


def _others(model: ModelResult) -> str:
    """Return what was run besides the results whose settings are listed."""
    shown = {result.key for result in _shown(model).values()}
    rest = [key for key in model.probes if key not in shown]
    lengths = [tokens(length) for length in sorted({key.length for key in rest if not key.family})]
    families = {
        "closed_book": "without the context",
        "gold_only": "with the gold alone",
        "matrix": "pattern by style",
        "paper": "authors' data",
    }
    named = [name for family, name in families.items() if any(key.family == family for key in rest)]
    return ", ".join([*([f"lengths {listed(lengths)}"] if lengths else []), *named]) or ABSENT


def _beyond_name(model: ModelResult) -> list[str]:
    """Return the model arguments other than the model's name, which has a separate row."""
    pairs = [pair for result in _shown(model).values() for pair in result.model_args.items()]
    return [name for name, value in pairs if value != model.model_name]


def _argument(name: str) -> Callable[[TaskResult], str]:
    return lambda result: result.model_args.get(name, ABSENT)


def _condition(name: str) -> Callable[[TaskResult], str]:
    return lambda result: conditions(result).get(name, DEFAULT)


def _each(comparison: Comparison, fact: Callable[[TaskResult], str]) -> tuple[str, ...]:
    return tuple(_one(model, fact) for model in comparison.models)


def _one(model: ModelResult, fact: Callable[[TaskResult], str]) -> str:
    """Return the value if all probes share it, otherwise each probe's value with its name."""
    values = {name: fact(result) for name, result in _shown(model).items()}
    if len(set(values.values())) < 2:
        return next(iter(values.values()), ABSENT)
    return ", ".join(f"{value} ({name})" for name, value in values.items())

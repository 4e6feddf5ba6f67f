"""What the measured models have in common, where they differ, and the two sentences that say what happened.

Invariant: numbers are compared only over the probes that every model has, and every option in which two models
differ is a warning with both values. Cost: one noise simulation a model and probe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from in2_plugin.reporting.noise import SEED, FlatGap, flat_gap, rows_per_span
from in2_plugin.reporting.reference import TASKS
from in2_plugin.reporting.results import ModelResult, TaskResult

UNKNOWN = "not recorded"
DEFAULT = "default"
OPTIONS = ("probe_length", "probe_sets", "probe_questions", "probe_seed", "probe_template")
"""Always said, set or not; other `probe_*` options only where a model has them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models in the order given, first = before; `flat` is keyed by (label, task)."""

    models: tuple[ModelResult, ...]
    flat: Mapping[tuple[str, str], FlatGap]
    summary: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def beyond_chance(self, model: ModelResult, task: str) -> bool:
        """Whether the measured Gap is larger than 95 of 100 flat models of the same average and row count show."""
        return model.tasks[task].score.gap > self.flat[model.label, task].percentile_95


def compare(models: Sequence[ModelResult]) -> Comparison:
    """Put models side by side; needs at least one, with distinct labels."""
    flat = {(model.label, task): _flat(result) for model in models for task, result in model.tasks.items()}
    bare = Comparison(tuple(models), flat, "", differences(models), _notes(models))
    summary = f"{_what_happened(models)} {_what_is_left(bare)}"
    return Comparison(bare.models, flat, summary, bare.warnings, bare.notes)


def _flat(result: TaskResult) -> FlatGap:
    counts = rows_per_span(result.rows, result.scored_spans)
    return flat_gap(result.score.avg, counts, np.random.default_rng(SEED))


def conditions(result: TaskResult) -> dict[str, str]:
    """What must be equal for two results of one probe to be comparable, by name."""
    template = {None: UNKNOWN, True: "applied", False: "not applied"}[result.chat_template]
    return {
        **dict.fromkeys(OPTIONS, DEFAULT),
        **result.options,
        "task version": result.version or UNKNOWN,
        "chat template": template,
        "number of scored rows": str(result.rows),
    }


def differences(models: Sequence[ModelResult]) -> tuple[str, ...]:
    """One sentence for each option whose value is not the same in all models that ran a probe."""
    probes: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for task in TASKS:
        found = {model.label: conditions(model.tasks[task]) for model in models if task in model.tasks}
        for option in dict.fromkeys(name for values in found.values() for name in values):
            values = {label: condition.get(option, DEFAULT) for label, condition in found.items()}
            if len(set(values.values())) > 1:
                pairs = tuple(f"{value} ({label})" for label, value in values.items())
                probes.setdefault((option, pairs), []).append(task)
    return tuple(
        f"{option} differs on {listed(tasks)}: {' against '.join(pairs)}; these scores are not comparable"
        for (option, pairs), tasks in probes.items()
    )


def _notes(models: Sequence[ModelResult]) -> tuple[str, ...]:
    notes = [note for model in models for note in model.notes]
    for model in models:
        notes += [f"{model.label} has no results of val_probe_{task}" for task in model.missing]
        notes += [
            f"{model.label}, {task}: {result.scored_spans} of {len(result.spans)} spans have scored rows; "
            "average and gap are over those"
            for task, result in model.tasks.items()
            if result.scored_spans < len(result.spans)
        ]
    return tuple(notes)


def shared_tasks(models: Sequence[ModelResult]) -> tuple[str, ...]:
    """The probes that every model has, in the paper's order."""
    return tuple(task for task in TASKS if all(task in model.tasks for model in models))


def _what_happened(models: Sequence[ModelResult]) -> str:
    shared = shared_tasks(models)
    if not shared:
        return "The models have no probe in common, so their numbers cannot be compared."
    labels = [model.label for model in models]
    averages = [percent(model.mean(shared).avg) for model in models]
    gaps = [percent(model.mean(shared).gap) for model in models]
    scope = "the three probes" if shared == TASKS else f"the {listed(shared)} probe{'s' * (len(shared) > 1)}"
    span = "gap between the best and the worst position"
    if len(models) == 1:
        return f"{labels[0]} scores {averages[0]}% on average over {scope}, with a {span} of {gaps[0]} points."
    if len(models) == 2:
        return (
            f"From {labels[0]} to {labels[1]}, the average over {scope} went from {averages[0]}% to {averages[1]}%, "
            f"and the {span} from {gaps[0]} to {gaps[1]} points."
        )
    each = listed([f"{average}% for {label}" for average, label in zip(averages, labels, strict=True)])
    return f"Over {scope}, the average is {each}, and the {span} is {listed(gaps)} points in the same order."


def _what_is_left(comparison: Comparison) -> str:
    last = comparison.models[-1]
    beyond = [task for task in TASKS if task in last.tasks and comparison.beyond_chance(last, task)]
    within = [task for task in last.tasks if task not in beyond]
    chance = "chance alone would give a model that reads every position equally well"
    if not beyond:
        return f"On {listed(within)} the gap of {last.label} is no larger than {chance}."
    rest = f"; on {listed(within)} it is not" if within else ""
    return f"On {listed(beyond)} the gap of {last.label} is larger than {chance}{rest}."


def percent(fraction: float) -> str:
    """A fraction of one as percent with one decimal, as the paper prints it."""
    return f"{100 * fraction:.1f}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

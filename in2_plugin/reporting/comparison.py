"""Compare the measured models: the probes they share, their differences with intervals, and warnings.

Invariant: numbers are compared only over the probes that every model has, and every option in which two models
differ is a warning with both values. Cost: the estimates of `evidence.py`, one per model and probe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from in2_plugin.probing.probes.registry import POSITION_PROBES
from in2_plugin.probing.scoring.dip import PositionEffect
from in2_plugin.probing.scoring.statistics import Interval
from in2_plugin.reporting.evidence import Change, Evidence, change, overall, overall_position, same_length, weigh
from in2_plugin.reporting.paper_numbers import PAPER_TASKS
from in2_plugin.reporting.results import ModelResult, ProbeKey, TaskResult, registered, shared_tasks
from in2_plugin.reporting.text.summary import summarise, unfinished_thoughts
from in2_plugin.reporting.text.wording import listed, probe_name, tokens
from in2_plugin.reporting.verdict import ProbeVerdict, judge_change, judge_model

UNKNOWN = "not recorded"
DEFAULT = "default"
OPTIONS = ("probe_length", "probe_sets", "probe_questions", "probe_seed", "probe_template")
"""Always listed, set or not; other `probe_*` options are listed only where a model has them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models in the order given, first = before."""

    models: tuple[ModelResult, ...]
    evidence: Mapping[tuple[str, ProbeKey], Evidence]
    """By label and probe, for everything that was run."""
    overall: Mapping[str, Interval | None]
    """By label, of the mean Avg over the three probes."""
    overall_position: Mapping[str, PositionEffect | None]
    """By label, the mean effect of position over the three probes."""
    changes: tuple[Change, ...]
    """Each later model against the first: one per shared probe, and one over all three."""
    verdicts: tuple[ProbeVerdict, ...]
    """Each later model against the first where both have the probe, otherwise the model alone."""
    summary: str
    unfinished: tuple[str, ...]
    """A warning per model some of whose answers end inside a thought."""
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def of(self, model: ModelResult, result: TaskResult) -> Evidence:
        return self.evidence[model.label, result.key]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the probes with a table column: the paper's, then others that some model ran."""
        found = {key.task for model in self.models for key in model.probes}
        return (*PAPER_TASKS, *(task for task in registered() if task in found and task not in PAPER_TASKS))

    @property
    def lengths(self) -> tuple[int, ...]:
        """Return all context lengths that some model was probed with, ascending."""
        return tuple(sorted({result.key.length for model in self.models for result in model.of_family("")}))


def compare(models: Sequence[ModelResult]) -> Comparison:
    """Put models side by side; needs at least one, with distinct labels."""
    evidence = {(model.label, key): weigh(result) for model in models for key, result in model.probes.items()}
    changes = _changes(models)
    verdicts = _verdicts(models, evidence, changes)
    return Comparison(
        models=tuple(models),
        evidence=evidence,
        overall={model.label: overall(model) for model in models},
        overall_position={model.label: overall_position(model, PAPER_TASKS) for model in models},
        changes=changes,
        verdicts=verdicts,
        summary=summarise(models, verdicts, evidence, changes),
        unfinished=tuple(filter(None, map(unfinished_thoughts, models))),
        warnings=differences(models),
        notes=_notes(models),
    )


def _changes(models: Sequence[ModelResult]) -> tuple[Change, ...]:
    found = []
    for later in models[1:]:
        shared = shared_tasks((models[0], later))
        together = [shared] if len(shared) > 1 and not set(shared) & set(POSITION_PROBES) else []
        groups = [(task,) for task in shared] + together
        if shared != PAPER_TASKS and set(PAPER_TASKS) <= set(shared):
            groups.append(PAPER_TASKS)
        found += [change(models[0], later, group) for group in groups]
    return tuple(one for one in found if one is not None)


def _verdicts(
    models: Sequence[ModelResult], evidence: Mapping[tuple[str, ProbeKey], Evidence], changes: Sequence[Change]
) -> tuple[ProbeVerdict, ...]:
    found = []
    first = models[0]
    of_change = {(one.after, one.tasks): one for one in changes}
    for model in models[1:] or models:
        for task, result in model.tasks.items():
            known = evidence[model.label, result.key]
            if model is first or task not in first.tasks:
                found.append(judge_model(model, task, known))
                continue
            both = evidence[first.label, first.tasks[task].key], known
            found.append(judge_change((first, model), task, both, of_change.get((model.label, (task,)))))
    return tuple(found)


def conditions(result: TaskResult) -> dict[str, str]:
    """Return, by name, the values that must be equal for two results of a probe to be comparable."""
    asked = {"questions and contexts": result.position.digest} if result.position else {}
    template = {None: UNKNOWN, True: "applied", False: "not applied"}[result.chat_template]
    return {
        **dict.fromkeys(OPTIONS, DEFAULT),
        **result.options,
        **asked,
        "probe_length": str(result.key.length),
        "task version": result.version or UNKNOWN,
        "chat template": template,
        "number of scored rows": str(result.rows),
    }


def differences(models: Sequence[ModelResult]) -> tuple[str, ...]:
    """Return one sentence per option whose value differs between models that ran a probe."""
    probes: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    groups = _comparable(models)
    for name, results in groups.items():
        found = {label: conditions(result) for label, result in results.items()}
        first, *others = results.values()
        if all(same_length(first, other) for other in others):
            for values_of_one in found.values():
                del values_of_one["probe_length"]
        for option in dict.fromkeys(option for values in found.values() for option in values):
            values = {label: condition.get(option, DEFAULT) for label, condition in found.items()}
            if len(set(values.values())) > 1:
                pairs = tuple(f"{value} ({label})" for label, value in values.items())
                probes.setdefault((option, pairs), []).append(name)
    return tuple(
        f"{option} differs on {_scope(names, groups)}: {' against '.join(pairs)}; these scores are not comparable"
        for (option, pairs), names in probes.items()
    )


def _comparable(models: Sequence[ModelResult]) -> dict[str, dict[str, TaskResult]]:
    """Results that a reader will compare, by what they are of: those shown as the three probes, then equal keys."""
    groups: dict[str, dict[str, TaskResult]] = {
        task: {model.label: model.tasks[task] for model in models if task in model.tasks} for task in registered()
    }
    shown = {(model.label, result.key) for model in models for result in model.tasks.values()}
    for model in models:
        for key, result in model.probes.items():
            if (model.label, key) not in shown:
                groups.setdefault(probe_name(key, with_length=not key.family), {})[model.label] = result
    return {name: results for name, results in groups.items() if len(results) > 1}


def _scope(names: Sequence[str], groups: Mapping[str, object]) -> str:
    return "every probe that more than one model ran" if len(names) == len(groups) > len(PAPER_TASKS) else listed(names)


def _notes(models: Sequence[ModelResult]) -> tuple[str, ...]:
    notes = [note for model in models for note in model.notes]
    for model in models:
        notes += [f"{model.label} has no results of val_probe_{task}" for task in model.missing]
        notes += [
            f"{model.label}, {task}: {result.scored_spans} of {len(result.spans)} spans have scored rows; "
            "average and gap are over those"
            for task, result in model.tasks.items()
            if 0 < result.scored_spans < len(result.spans)
        ]
        notes += _sparse_lengths(model)
    return tuple(notes)


def _sparse_lengths(model: ModelResult) -> list[str]:
    """Other lengths at which spans are empty, one note a probe: short contexts often have fewer items than spans."""
    notes = []
    for task, shown in model.tasks.items():
        others = [result for result in model.of_family("", task) if result.key != shown.key]
        sparse = [tokens(result.key.length) for result in others if 0 < result.scored_spans < len(result.spans)]
        if sparse:
            notes.append(f"{model.label}, {task}: not all spans have scored rows at {listed(sparse)}")
    return notes

"""Summarise the change in a few sentences: the verdict on each probe, then dip, average and gap before and after.

Invariant: only probes that all models have are averaged, and a difference is stated only if it was estimated.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

from in2_plugin.reporting.evidence import Change, Evidence
from in2_plugin.reporting.paper_numbers import PAPER_TASKS, title
from in2_plugin.reporting.results import ModelResult, ProbeKey, shared_tasks
from in2_plugin.reporting.text.wording import listed, percent, probe_name, signed, with_interval
from in2_plugin.reporting.verdict import ProbeVerdict

NAMED = 6
"""Most models whose numbers a sentence lists; with more it gives the range."""


def summarise(
    models: Sequence[ModelResult],
    verdicts: Sequence[ProbeVerdict],
    evidence: Mapping[tuple[str, ProbeKey], Evidence],
    changes: Sequence[Change],
) -> str:
    """Two or three sentences; empty if no model has one of the three probes."""
    probed = [model for model in models if model.tasks]
    if not probed:
        return ""
    if len(models) > 1 and not shared_tasks(probed):
        return "The models have no probe in common, so their numbers cannot be compared."
    judged = _judged(verdicts) if len(models) <= NAMED else _counted(verdicts, models[0].label)
    sentences = (judged, _numbers(probed, evidence), _how_sure(probed, changes))
    return " ".join(sentence for sentence in sentences if sentence)


def unfinished_thoughts(model: ModelResult) -> str | None:
    """Return a warning with the number of answers that end inside a thought, by probe; None without any."""
    shown = {result.key for result in model.tasks.values()}
    found = [
        f"{round(result.unfinished * result.rows):,} of {result.rows:,} answers on "
        f"{probe_name(key, with_length=not key.family and key not in shown)} ({percent(result.unfinished)}%)"
        for key, result in model.probes.items()
        if result.unfinished
    ]
    if not found:
        return None
    return (
        f"{model.label}: {listed(found)} end inside a thought and count as wrong; allow longer answers (max_gen_toks)"
    )


def _judged(verdicts: Sequence[ProbeVerdict]) -> str:
    """`Document: improved. Code: no change.`; with several later models, one sentence per model."""
    if len({one.after for one in verdicts}) == 1:
        return " ".join(f"{title(one.task)}{_of_first(one)}: {one.verdict}." for one in verdicts)
    by_model = groupby(verdicts, key=lambda one: one.after)
    named = ((label, [f"{one.task}{_of_first(one)} {one.verdict}" for one in found]) for label, found in by_model)
    return " ".join(f"{label}: {listed(found)}." for label, found in named)


def _of_first(one: ProbeVerdict) -> str:
    """Return ` (base)` for a verdict that is about the first model."""
    return "" if one.about == one.after else f" ({one.about})"


def _counted(verdicts: Sequence[ProbeVerdict], first: str) -> str:
    """`Against base, code: 5 improved, 2 no change.`"""
    of_task: dict[str, Counter[str]] = {}
    for one in verdicts:
        of_task.setdefault(one.task, Counter())[one.verdict] += 1
    found = [f"{task}: {', '.join(f'{n} {name}' for name, n in each.items())}" for task, each in of_task.items()]
    return f"Against {first}, {'; '.join(found)}."


def _numbers(models: Sequence[ModelResult], evidence: Mapping[tuple[str, ProbeKey], Evidence]) -> str:
    shared = shared_tasks(models)
    labels = [model.label for model in models]
    averages = [percent(model.mean(shared).avg) for model in models]
    gaps = [percent(model.mean(shared).gap) for model in models]
    dips = [_dip(model, shared, evidence) for model in models]
    scope = "the three probes" if shared == PAPER_TASKS else f"the {listed(shared)} probe{'s' * (len(shared) > 1)}"
    if len(models) == 1:
        return f"{labels[0]} scores {averages[0]}% over {scope}: ends minus middle {dips[0]}, gap {gaps[0]} points."
    if len(models) == 2:
        return (
            f"From {labels[0]} to {labels[1]}, ends minus middle over {scope} went from {dips[0]} to {dips[1]} points, "
            f"the average from {averages[0]}% to {averages[1]}%, and the gap from {gaps[0]} to {gaps[1]} points."
        )
    if len(models) > NAMED:
        return _range(models, shared, scope, dips)
    each = listed([f"{average}% for {label}" for average, label in zip(averages, labels, strict=True)])
    return (
        f"Over {scope}, the average is {each}, ends minus middle {listed(dips)} and the gap {listed(gaps)} points in "
        "the same order."
    )


def _dip(model: ModelResult, tasks: Sequence[str], evidence: Mapping[tuple[str, ProbeKey], Evidence]) -> str:
    """Return the mean over `tasks` as text."""
    effects = [evidence[model.label, model.tasks[task].key].position for task in tasks]
    found = [effect.dip.value for effect in effects if effect]
    return signed(sum(found) / len(found)) if len(found) == len(tasks) else "unknown"


def _range(models: Sequence[ModelResult], shared: Sequence[str], scope: str, dips: Sequence[str]) -> str:
    ranked = sorted(zip(models, dips, strict=True), key=lambda one: one[0].mean(shared).avg)
    (worst, worst_dip), (best, best_dip) = ranked[0], ranked[-1]
    return (
        f"Over {scope}, the averages of {len(models)} models go from {percent(worst.mean(shared).avg)}% "
        f"({worst.label}) to {percent(best.mean(shared).avg)}% ({best.label}); ends minus middle is {worst_dip} and "
        f"{best_dip}, the gap {percent(worst.mean(shared).gap)} and {percent(best.mean(shared).gap)} points."
    )


def _how_sure(probed: Sequence[ModelResult], changes: Sequence[Change]) -> str:
    """State the difference with its intervals, for two models over all shared probes."""
    if len(probed) != 2:
        return ""
    shared = shared_tasks(probed)
    over_all = [one for one in changes if one.tasks == shared and one.after == probed[1].label]
    if not over_all:
        return ""
    one, position = over_all[0].difference, over_all[0].position
    scope = "On the same questions" if one.is_paired else "Though the questions are not the same"
    dip = with_interval(position.dip.value, position.dip.interval, is_difference=True) if position else "unknown"
    avg = with_interval(one.avg, one.avg_interval, is_difference=True)
    gap = with_interval(one.gap, one.gap_interval, is_difference=True)
    return f"{scope}, that is {dip} points of ends minus middle, {avg} of average and {gap} of gap (95% intervals)."

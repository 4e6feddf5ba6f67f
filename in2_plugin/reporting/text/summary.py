"""Summarise the change in a few sentences: average and gap before and after, with their uncertainty.

Invariant: only probes that all models have are averaged, and a difference is stated only if it was estimated.
"""

from collections.abc import Mapping, Sequence

from in2_plugin.reporting.evidence import Change, Evidence
from in2_plugin.reporting.paper_numbers import PAPER_TASKS
from in2_plugin.reporting.results import ModelResult, ProbeKey, shared_tasks
from in2_plugin.reporting.text.wording import listed, percent, with_interval

SPAN = "gap between the best and the worst position"
NAMED = 6
"""Most models whose numbers a sentence lists; with more it gives the range."""


def summarise(
    models: Sequence[ModelResult], evidence: Mapping[tuple[str, ProbeKey], Evidence], changes: Sequence[Change]
) -> str:
    """Two or three sentences; empty if no model has one of the three probes."""
    probed = [model for model in models if model.tasks]
    if not probed:
        return ""
    sentences = (_what_happened(probed), _how_sure(probed, changes), _what_is_left(probed[-1], evidence))
    return " ".join(sentence for sentence in sentences if sentence)


def _what_happened(models: Sequence[ModelResult]) -> str:
    shared = shared_tasks(models)
    if not shared:
        return "The models have no probe in common, so their numbers cannot be compared."
    labels = [model.label for model in models]
    averages = [percent(model.mean(shared).avg) for model in models]
    gaps = [percent(model.mean(shared).gap) for model in models]
    scope = "the three probes" if shared == PAPER_TASKS else f"the {listed(shared)} probe{'s' * (len(shared) > 1)}"
    if len(models) == 1:
        return f"{labels[0]} scores {averages[0]}% on average over {scope}, with a {SPAN} of {gaps[0]} points."
    if len(models) == 2:
        return (
            f"From {labels[0]} to {labels[1]}, the average over {scope} went from {averages[0]}% to {averages[1]}%, "
            f"and the {SPAN} from {gaps[0]} to {gaps[1]} points."
        )
    if len(models) > NAMED:
        return _range(models, shared, scope)
    each = listed([f"{average}% for {label}" for average, label in zip(averages, labels, strict=True)])
    return f"Over {scope}, the average is {each}, and the {SPAN} is {listed(gaps)} points in the same order."


def _range(models: Sequence[ModelResult], shared: Sequence[str], scope: str) -> str:
    ranked = sorted(models, key=lambda model: model.mean(shared).avg)
    worst, best = ranked[0], ranked[-1]
    return (
        f"Over {scope}, the averages of {len(models)} models go from {percent(worst.mean(shared).avg)}% "
        f"({worst.label}) to {percent(best.mean(shared).avg)}% ({best.label}), with a {SPAN} of "
        f"{percent(worst.mean(shared).gap)} and {percent(best.mean(shared).gap)} points."
    )


def _how_sure(probed: Sequence[ModelResult], changes: Sequence[Change]) -> str:
    """State the difference with its intervals, for two models over all shared probes."""
    if len(probed) != 2:
        return ""
    shared = shared_tasks(probed)
    over_all = [one for one in changes if one.tasks == shared and one.after == probed[1].label]
    if not over_all:
        return ""
    one = over_all[0].difference
    scope = "On the same questions" if one.is_paired else "Though the questions are not the same"
    avg = with_interval(one.avg, one.avg_interval, is_difference=True)
    gap = with_interval(one.gap, one.gap_interval, is_difference=True)
    return f"{scope}, that is {avg} points of average and {gap} points of gap (95% intervals in brackets)."


def _what_is_left(last: ModelResult, evidence: Mapping[tuple[str, ProbeKey], Evidence]) -> str:
    beyond = [task for task, result in last.tasks.items() if evidence[last.label, result.key].beyond_chance]
    within = [task for task in last.tasks if task not in beyond]
    chance = "chance alone would give a model that reads every position equally well"
    if not beyond:
        return f"On {listed(within)} the gap of {last.label} is no larger than {chance}."
    rest = f"; on {listed(within)} it is not" if within else ""
    return f"On {listed(beyond)} the gap of {last.label} is larger than {chance}{rest}."

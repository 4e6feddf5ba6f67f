"""Judge each probe in one word: did training help with positions, and does the probe say anything about them at all?

A verdict is about position: it rests on the *dip* (ends minus middle, `probing/scoring/dip.py`), not on the Gap.
Invariants: a model at the floor of its probe is never called even, and nothing is called improved unless the middle
itself scores higher, because a curve also gets flatter when its ends fall. Pure functions.
"""

from dataclasses import dataclass
from enum import StrEnum

from in2_plugin.probing.scoring.dip import PositionEffect
from in2_plugin.probing.scoring.statistics import Interval
from in2_plugin.reporting.evidence import Change, Evidence, same_questions
from in2_plugin.reporting.paper_numbers import PAPER_BASELINES
from in2_plugin.reporting.results import ModelResult, TaskResult
from in2_plugin.reporting.text.wording import percent, signed, with_interval

MARGIN = 0.05
"""An average this near to the floor has no room for a curve that chance does not give, too."""
CEILING = 0.98
"""From this average on, the middle can be at most 3.3 points lower than the ends."""


class Verdict(StrEnum):
    """What a probe says about positions: the first three on a change, the others on one model."""

    IMPROVED = "improved"
    NO_CHANGE = "no change"
    WORSE = "worse"
    DIP = "dip in the middle"
    UNEVEN = "uneven"
    EVEN = "no dip seen"
    KNOWN = "known without reading: says nothing about position"
    FLOOR = "at the floor: says nothing about position"
    CEILING = "at the ceiling: says nothing about position"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class ProbeVerdict:
    """The verdict on one probe of one model, or of a later model against the first."""

    task: str
    before: str | None
    """Label of the first model; None if a single model is judged."""
    after: str
    verdict: Verdict
    reason: str


def judge_model(model: ModelResult, task: str, known: Evidence) -> ProbeVerdict:
    """Judge one model's result of `task`; `known` is the evidence of that result."""
    result = model.tasks[task]
    verdict, reason = _of_one(result, known, floor_of(model, task))
    if verdict is Verdict.FLOOR:
        verdict = _floor_verdict(model, task)
    return ProbeVerdict(task, None, model.label, verdict, reason)


def judge_change(
    models: tuple[ModelResult, ModelResult], task: str, known: tuple[Evidence, Evidence], change: Change | None
) -> ProbeVerdict:
    """Judge `task` of the second model against the first; `change` is None if the two cannot be subtracted."""
    verdict, reason = _of_two(models, task, known, change)
    return ProbeVerdict(task, models[0].label, models[1].label, verdict, reason)


def floor_of(model: ModelResult, task: str) -> float:
    """Return the highest score that needs no reading: the measured baselines, else the paper's; closed book, if run."""
    return max(_baseline_floor(model, task), _closed_book(model, task))


def _baseline_floor(model: ModelResult, task: str) -> float:
    baselines = model.tasks[task].baselines
    floors = [value for value in (baselines.echo, baselines.other) if value is not None]
    return max(floors or [one.score / 100 for one in PAPER_BASELINES.get(task, ())], default=0.0)


def _closed_book(model: ModelResult, task: str) -> float:
    return max((result.score.avg for result in model.of_family("closed_book", task)), default=0.0)


def _floor_verdict(model: ModelResult, task: str) -> Verdict:
    """Tell a model that knows the answers from one that finds nothing."""
    known = _closed_book(model, task) >= _baseline_floor(model, task) + MARGIN
    return Verdict.KNOWN if known else Verdict.FLOOR


def is_at_floor(result: TaskResult, known: Evidence, floor: float) -> bool:
    """Return True if the average is at or below the floor, or just above it, and no position differs beyond chance."""
    return result.score.avg < floor + MARGIN and not _is_uneven(known)


def is_at_ceiling(result: TaskResult, known: Evidence) -> bool:
    """Return True if there is no room left for a dip, and none is seen."""
    return result.score.avg >= CEILING and not _is_uneven(known)


def _is_uneven(known: Evidence) -> bool:
    dip = known.position.dip if known.position else None
    return known.beyond_chance or bool(dip and (dip.above_zero or dip.below_zero))


def _of_one(result: TaskResult, known: Evidence, floor: float) -> tuple[Verdict, str]:
    if is_at_floor(result, known, floor):
        return Verdict.FLOOR, f"The model has {_floor_reason(result, floor)}."
    if is_at_ceiling(result, known):
        return Verdict.CEILING, f"The average is {percent(result.score.avg)}%; use longer contexts to see differences."
    if known.position is None:
        return Verdict.UNKNOWN, "A fifth of the depth has no scored question; ask more questions."
    dip = known.position.dip
    shown = f"Ends minus middle: {with_interval(dip.value, dip.interval, is_difference=True)} points"
    if dip.interval is None:
        return Verdict.UNKNOWN, f"{shown}; an interval needs scores of at least two single questions per fifth."
    return _of_dip(result, known, known.position, dip.interval[1], shown)


def _of_dip(
    result: TaskResult, known: Evidence, position: PositionEffect, most: float, shown: str
) -> tuple[Verdict, str]:
    if position.dip.above_zero:
        return Verdict.DIP, f"{shown}."
    if _is_uneven(known):
        return Verdict.UNEVEN, f"{shown}, but {_unevenness(position, result)}."
    return Verdict.EVEN, f"{shown}; a dip of more than {percent(max(most, 0.0))} points is unlikely."


def _unevenness(position: PositionEffect, result: TaskResult) -> str:
    if position.dip.below_zero:
        return "the middle is better than the ends"
    slope = position.slope
    if slope.above_zero or slope.below_zero:
        change = with_interval(slope.value, slope.interval, is_difference=True)
        return f"scores change by {change} points from the start of the context to its end"
    return f"the gap of {percent(result.score.gap)} points is larger than chance alone gives"


def _of_two(
    models: tuple[ModelResult, ModelResult], task: str, known: tuple[Evidence, Evidence], change: Change | None
) -> tuple[Verdict, str]:
    results = models[0].tasks[task], models[1].tasks[task]
    if not same_questions(*results):
        return (
            Verdict.UNKNOWN,
            "The two runs asked other questions or showed other contexts; run both on the same probe.",
        )
    verdict, reason = _of_change(known, change)
    for model, result, evidence in zip(models, results, known, strict=True):
        floor = floor_of(model, task)
        if not is_at_floor(result, evidence, floor):
            continue
        why = f"{model.label} has {_floor_reason(result, floor)}"
        if model is models[1] and verdict is Verdict.WORSE:  # it has lost what the first one could do
            return verdict, f"{reason} {why}."
        averages = f"averages {percent(results[0].score.avg)}% → {percent(results[1].score.avg)}%"
        return _floor_verdict(model, task), f"{why}; {averages}."
    if all(is_at_ceiling(result, evidence) for result, evidence in zip(results, known, strict=True)):
        return Verdict.CEILING, "Both averages are at least 98%; use longer contexts to see differences."
    return verdict, reason


def _of_change(known: tuple[Evidence, Evidence], change: Change | None) -> tuple[Verdict, str]:
    """Return the verdict on the change alone, whatever the level of the scores."""
    if change is None:
        return Verdict.UNKNOWN, "The difference needs the scores of single questions, at one length, of both models."
    limits = change.difference.avg_interval
    if change.position is None or change.position.dip.interval is None or limits is None:
        return Verdict.UNKNOWN, "A fifth of the depth has fewer than two scored questions; ask more questions."
    verdict, why = _of_intervals(change.difference.avg, limits, change.position)
    return verdict, f"{_changed(known, change.position)}{why}."


def _of_intervals(avg: float, limits: Interval, position: PositionEffect) -> tuple[Verdict, str]:
    """Return the verdict and what it adds to the numbers of the dip."""
    average = f"average {with_interval(avg, limits, is_difference=True)}"
    middle = position.middle
    shown = f"middle {with_interval(middle.value, middle.interval, is_difference=True)}"
    if limits[1] < 0 or position.dip.above_zero:
        return Verdict.WORSE, f"; {average}" if limits[1] < 0 else f"; {shown}"
    if position.dip.below_zero and middle.above_zero:
        return Verdict.IMPROVED, f"; {shown}"
    if position.dip.below_zero:
        return Verdict.NO_CHANGE, f"; {shown}: flatter only because the ends score less"
    if limits[0] > 0:
        return Verdict.NO_CHANGE, f"; {average}: higher, but the dip is not shown to be smaller"
    return Verdict.NO_CHANGE, f"; {average}"


def _changed(known: tuple[Evidence, Evidence], position: PositionEffect) -> str:
    dips = [one.position.dip.value for one in known if one.position]
    change = with_interval(position.dip.value, position.dip.interval, is_difference=True)
    return f"Ends minus middle: {' → '.join(signed(dip) for dip in dips)}, change {change} points"


def _floor_reason(result: TaskResult, floor: float) -> str:
    return f"an average of {percent(result.score.avg)}%, where answers that need no reading score {percent(floor)}%"

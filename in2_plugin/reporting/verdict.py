"""Judge each probe in one word: did training help with positions, and does the probe say anything about them at all?

A verdict is about position: it rests on the *dip* (ends minus middle, `probing/scoring/dip.py`), not on the Gap.
Invariants: a model at the floor of its probe is never called even, and nothing is called improved unless the middle
itself scores higher, because a curve also gets flatter when its ends fall. Pure functions.
"""

from dataclasses import dataclass
from enum import StrEnum

from in2_plugin.probing.scoring.dip import FIFTHS, PositionEffect, PositionEstimate
from in2_plugin.probing.scoring.power import shown_by
from in2_plugin.probing.scoring.statistics import Interval
from in2_plugin.reporting.evidence import Change, Evidence, same_questions
from in2_plugin.reporting.paper_numbers import PAPER_BASELINES
from in2_plugin.reporting.results import ModelResult, TaskResult
from in2_plugin.reporting.text.wording import percent, signed, with_interval

MARGIN = 0.05
"""An average this near to the floor has no room for a curve that chance does not give, too."""
CEILING = 0.98
"""From this average on, the middle can be at most 3.3 points lower than the ends."""
KNOWN_SHARE = 0.5
"""A model knows the answers if closed book has this share of its score with the gold alone, or of 1 without that."""
NO_CURVE = "every question has several golds; see the map"


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
    about: str
    """Label of the model that is at the floor or at the ceiling, or knows the answers; otherwise `after`."""


def judge_model(model: ModelResult, task: str, known: Evidence) -> ProbeVerdict:
    """Judge one model's result of `task`; `known` is the evidence of that result."""
    result = model.tasks[task]
    verdict, reason = _of_one(result, known, floor_of(model, task))
    if verdict is Verdict.FLOOR:
        verdict = floor_verdict(model, task)
    return ProbeVerdict(task, None, model.label, verdict, reason, model.label)


def judge_change(
    models: tuple[ModelResult, ModelResult], task: str, known: tuple[Evidence, Evidence], change: Change | None
) -> ProbeVerdict:
    """Judge `task` of the second model against the first; `change` is None if the two cannot be subtracted."""
    first, second = models
    if _is_about_first(models, task, known):
        alone = judge_model(second, task, known[1])
        averages = f"averages {_averages(first.tasks[task], second.tasks[task])}"
        reason = f"{_at_floor(first, task)}; {averages}. {second.label} alone: {alone.verdict}. {alone.reason}"
        return ProbeVerdict(task, first.label, second.label, floor_verdict(first, task), reason, first.label)
    verdict, reason = _of_two(models, task, known, change)
    return ProbeVerdict(task, first.label, second.label, verdict, reason, second.label)


def floor_of(model: ModelResult, task: str) -> float:
    """Return the highest score that needs no reading: the measured baselines, else the paper's; closed book, if run."""
    return max(baseline_floor(model, task), _closed_book(model, task))


def baseline_floor(model: ModelResult, task: str) -> float:
    """Return the highest score of a text that is no answer, measured or else the paper's; without closed book."""
    baselines = model.tasks[task].baselines
    floors = [value for value in (baselines.echo, baselines.other) if value is not None]
    return max(floors or [one.score / 100 for one in PAPER_BASELINES.get(task, ())], default=0.0)


def _closed_book(model: ModelResult, task: str) -> float:
    return max((result.score.avg for result in model.of_family("closed_book", task)), default=0.0)


def floor_verdict(model: ModelResult, task: str) -> Verdict:
    """Return KNOWN for a model that knows the answers, FLOOR for one that finds nothing."""
    closed_book, alone = _closed_book(model, task), model.of_family("gold_only", task)
    most = max((result.score.avg for result in alone), default=1.0)
    known = closed_book >= max(baseline_floor(model, task) + MARGIN, KNOWN_SHARE * most)
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
    if not result.has_curve:
        return Verdict.UNKNOWN, f"{NO_CURVE.capitalize()}."
    if is_at_floor(result, known, floor):
        return Verdict.FLOOR, f"The model has {_floor_reason(result, floor)}."
    if is_at_ceiling(result, known):
        return Verdict.CEILING, f"The average is {percent(result.score.avg)}%; use longer contexts to see differences."
    if known.position is None:
        why = too_few_depths(result) or "a fifth of the depth has no scored question; ask more questions"
        return Verdict.UNKNOWN, f"{why[0].upper()}{why[1:]}."
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
    if shows_nothing(position.dip):
        return Verdict.UNKNOWN, f"{shown}; these are too few {_sampled(result)} to show a dip, so ask more."
    return Verdict.EVEN, f"{shown}; a dip of more than {percent(max(most, 0.0))} points is unlikely."


def _unevenness(position: PositionEffect, result: TaskResult) -> str:
    if position.dip.below_zero:
        return "the middle is better than the ends"
    slope = position.slope
    if slope.above_zero or slope.below_zero:
        change = with_interval(slope.value, slope.interval, is_difference=True)
        return f"scores change by {change} points from the start of the context to its end"
    return f"the gap of {percent(result.score.gap)} points is larger than chance alone gives"


def too_few_depths(result: TaskResult) -> str:
    """Return why a position probe cannot have a dip with any number of questions; empty if it can."""
    n = len(result.spans)
    if result.position is None or n >= FIFTHS:
        return ""
    return f"asked at {n} depths; ends minus middle needs {FIFTHS}: set `probe_depths`, or `depths` in a probe file"


def _sampled(result: TaskResult) -> str:
    return "questions" if result.position else "questions or contexts"


def shows_nothing(dip: PositionEstimate) -> bool:
    """Return True if not even a dip of 100 points would be seen."""
    return dip.interval is not None and shown_by(dip.interval) >= 1


def _is_about_first(models: tuple[ModelResult, ModelResult], task: str, known: tuple[Evidence, Evidence]) -> bool:
    """Return True if the first model is at its floor, so that there was nothing to lose or to improve."""
    results = models[0].tasks[task], models[1].tasks[task]
    comparable = same_questions(*results) and all(result.has_curve for result in results)
    return comparable and is_at_floor(results[0], known[0], floor_of(models[0], task))


def _at_floor(model: ModelResult, task: str) -> str:
    return f"{model.label} has {_floor_reason(model.tasks[task], floor_of(model, task))}"


def _averages(*results: TaskResult) -> str:
    return " → ".join(f"{percent(result.score.avg)}%" for result in results)


def _of_two(
    models: tuple[ModelResult, ModelResult], task: str, known: tuple[Evidence, Evidence], change: Change | None
) -> tuple[Verdict, str]:
    results = models[0].tasks[task], models[1].tasks[task]
    if not same_questions(*results):
        return (
            Verdict.UNKNOWN,
            "The two runs asked other questions or showed other contexts; run both on the same questions of one probe.",
        )
    if not all(result.has_curve for result in results):
        return Verdict.UNKNOWN, f"{NO_CURVE.capitalize()}."
    verdict, reason = _of_change(results[0], known, change)
    if is_at_floor(results[1], known[1], floor_of(models[1], task)):
        if verdict is Verdict.WORSE:  # it has lost what the first one could do
            return verdict, f"{reason} {_at_floor(models[1], task)}."
        return floor_verdict(models[1], task), f"{_at_floor(models[1], task)}; averages {_averages(*results)}."
    if all(is_at_ceiling(result, evidence) for result, evidence in zip(results, known, strict=True)):
        return Verdict.CEILING, "Both averages are at least 98%; use longer contexts to see differences."
    return verdict, reason


def _of_change(result: TaskResult, known: tuple[Evidence, Evidence], change: Change | None) -> tuple[Verdict, str]:
    """Return the verdict on the change alone, whatever the level of the scores."""
    if change is None:
        return Verdict.UNKNOWN, "The difference needs the scores of single questions, at one length, of both models."
    limits = change.difference.avg_interval
    if change.position is None or change.position.dip.interval is None or limits is None:
        why = too_few_depths(result) or "a fifth of the depth has fewer than two scored questions; ask more questions"
        return Verdict.UNKNOWN, f"{why[0].upper()}{why[1:]}."
    verdict, why = _of_intervals(change.difference.avg, limits, change.position)
    if verdict is Verdict.NO_CHANGE and shows_nothing(change.position.dip):
        verdict, why = Verdict.UNKNOWN, f"; these are too few {_sampled(result)} to show a change, so ask more"
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

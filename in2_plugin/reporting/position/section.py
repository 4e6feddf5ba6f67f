"""Collect what a report says about one position probe: a sentence, curves with their controls, power, examples, maps.

Invariant: page, JSON and model card read these values and compute nothing themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from in2_plugin.probing.scoring.power import shown_by
from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.evidence import same_length, same_questions
from in2_plugin.reporting.paper_numbers import title
from in2_plugin.reporting.position.examples import HOW_TO_LOG, AnswerPair, found_after, log_of, lost_in_the_middle
from in2_plugin.reporting.position.judged import JudgedCurve, judged_curve
from in2_plugin.reporting.position.two_golds import TwoGolds, two_golds
from in2_plugin.reporting.results import ModelResult, TaskResult
from in2_plugin.reporting.text.headline import Headline, headline_of
from in2_plugin.reporting.text.wording import percent, tokens
from in2_plugin.reporting.verdict import NO_CURVE, ProbeVerdict, Verdict, shows_nothing, too_few_depths

LEADS = {
    Verdict.IMPROVED: "{after} reads the middle better than {before}.",
    Verdict.NO_CHANGE: "From {before} to {after}, no change with position is shown.",
    Verdict.WORSE: "{after} is worse than {before}.",
    Verdict.DIP: "{after} loses the middle of the context.",
    Verdict.UNEVEN: "{after} does not read every depth equally well.",
    Verdict.EVEN: "{after} reads the middle as well as the ends, as far as this run can show.",
    Verdict.KNOWN: "{about} knows the answers without reading, so this probe says nothing about position.",
    Verdict.FLOOR: "{about} finds too few answers to say anything about position.",
    Verdict.CEILING: "{about} finds nearly every answer at every depth, so this probe says nothing about position.",
    Verdict.UNKNOWN: "This run cannot show whether the middle is lost.",
}


@dataclass(frozen=True, slots=True)
class LengthPoint:
    """One length of one model."""

    length: int
    window_share: float | None
    """Length over the model's window; None if the window is unknown."""
    avg: float
    dip: float | None
    spans: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class PositionOfModel:
    """One model on one position probe; scores are fractions of one."""

    model: int
    """Index of the model, from 0."""
    label: str
    length: int
    avg: float
    closed_book: float | None
    """What the model knows without reading."""
    gold_only: float | None
    """What it can do when nothing distracts it."""
    window: int | None
    """Tokens."""
    questions: int
    power: str
    detectable_dip: float | None
    """None if not even a dip of 100 points would be seen."""
    lengths: tuple[LengthPoint, ...]
    two_golds: TwoGolds | None
    judged: JudgedCurve | None
    lost: tuple[AnswerPair, ...]
    """Right at the end, wrong in the middle."""
    has_samples: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Answers that a later model gets right in the middle and the first one got wrong."""

    before: str
    after: str
    pairs: tuple[AnswerPair, ...]


@dataclass(frozen=True, slots=True)
class PositionSection:
    """One position probe."""

    task: str
    title: str
    headline: Headline | None
    """What the last model does better or worse than the first; None if they cannot be compared."""
    verdicts: tuple[tuple[str, ProbeVerdict], ...]
    """A sentence for the reader, and the verdict that it states."""
    models: tuple[PositionOfModel, ...]
    found: tuple[Found, ...]
    how_to_log: str
    """How to get examples; empty if every model has them."""


def position_sections(comparison: Comparison) -> tuple[PositionSection, ...]:
    """Return one section per position probe that some model ran, in the order of the registry."""
    tasks = dict.fromkeys(task for model in comparison.models for task in model.tasks)
    return tuple(_section(comparison, task) for task in tasks)


def _section(comparison: Comparison, task: str) -> PositionSection:
    having = [(index, model) for index, model in enumerate(comparison.models) if task in model.tasks]
    models = tuple(_of_model(comparison, index, model, task) for index, model in having)
    verdicts = tuple((lead(one), one) for one in comparison.verdicts if one.task == task)
    logged = all(one.has_samples for one in models)
    found = _found([model for _, model in having], task)
    how_to_log = "" if logged else HOW_TO_LOG
    return PositionSection(task, title(task), headline_of(comparison, task), verdicts, models, found, how_to_log)


def lead(one: ProbeVerdict) -> str:
    """Return the verdict as one sentence, with its reason."""
    return f"{LEADS[one.verdict].format(before=one.before, after=one.after, about=one.about)} {one.reason}"


def _of_model(comparison: Comparison, index: int, model: ModelResult, task: str) -> PositionOfModel:
    result = model.tasks[task]
    assert result.position is not None  # every result of `read_position_models` has its answers
    known = comparison.of(model, result)
    dip = known.position.dip if known.position else None
    detectable = shown_by(dip.interval) if dip and dip.interval and not shows_nothing(dip) else None
    return PositionOfModel(
        model=index,
        label=model.label,
        length=result.key.length,
        avg=result.score.avg,
        closed_book=control_score(model, task, "closed_book"),
        gold_only=control_score(model, task, "gold_only"),
        window=result.position.window,
        questions=len(result.sets),
        power=_power(model.label, result, detectable),
        detectable_dip=detectable,
        lengths=tuple(_point(comparison, model, one) for one in model.of_family("", task)),
        two_golds=two_golds(result.position, result.key.length),
        judged=judged_curve(result),
        lost=tuple(lost_in_the_middle(result)),
        has_samples=log_of(result) is not None,
    )


def control_score(model: ModelResult, task: str, family: str) -> float | None:
    """Return the average of a control, mean over lengths; None if it was not run."""
    scores = [result.score.avg for result in model.of_family(family, task)]
    return fmean(scores) if scores else None


def _power(label: str, result: TaskResult, detectable: float | None) -> str:
    if not result.has_curve:
        return f"{label}: {NO_CURVE}."
    if why := too_few_depths(result):
        return f"{label}: {why}."
    asked = f"{len(result.sets):,} questions at {len(result.spans)} depths"
    if detectable is None:
        return f"{label}: {asked} are too few to show a dip; ask more questions."
    return f"{label}: with {asked}, a dip of {percent(detectable)} points would be seen in 8 of 10 runs."


def _point(comparison: Comparison, model: ModelResult, result: TaskResult) -> LengthPoint:
    effect, window = comparison.of(model, result).position, result.position and result.position.window
    share = result.key.length / window if window else None
    return LengthPoint(result.key.length, share, result.score.avg, effect.dip.value if effect else None, result.spans)


def _found(models: Sequence[ModelResult], task: str) -> tuple[Found, ...]:
    found = []
    for later in models[1:]:
        first, second = models[0].tasks[task], later.tasks[task]
        same = same_length(first, second) and same_questions(first, second)
        if same and log_of(first) and log_of(second):
            found.append(Found(models[0].label, later.label, tuple(found_after(first, second))))
    return tuple(found)


def length_name(point: LengthPoint) -> str:
    """Return `16K, 50% of the window`."""
    share = "" if point.window_share is None else f", {100 * point.window_share:.0f}% of the window"
    return f"{tokens(point.length)}{share}"

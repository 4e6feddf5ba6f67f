"""State in a sentence or two per probe what training changed, with the averages before and after.

A verdict (`reporting/verdict.py`) is about position alone, and says nothing where the first model finds nothing. A
headline is about finding: it repeats a verdict of *improved* or *worse*, and otherwise says what average and middle
show. After several rounds of training, the last one is judged by itself, too: the first may have done all the good.
Invariant: a headline and a verdict never contradict, and every statement rests on an interval.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from in2_plugin.probing.scoring.dip import PositionEffect
from in2_plugin.reporting.comparison import Comparison, compare
from in2_plugin.reporting.evidence import Change, Evidence
from in2_plugin.reporting.results import ModelResult
from in2_plugin.reporting.text.next_step import Outcome, next_step
from in2_plugin.reporting.text.wording import ABSENT, estimate, percent, with_interval
from in2_plugin.reporting.verdict import Verdict, floor_of, is_at_floor

ARROW = " → "
ROUNDING = 1e-9
"""The change of the ends is a sum: a zero can come out as a tiny number."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The last model against the first on one probe; of three or more, also against the one before it."""

    task: str
    outcome: Outcome
    sentence: str
    """Begins with the outcome."""
    next_step: str
    """What to try in another training run; empty after improvements."""
    average: str
    """Average of each model in percent, with its interval: `0.0 [0.0, 1.2] → 67.1 [60.2, 73.9]`."""
    dip: str
    """Ends minus middle of each model in points, in the same form."""


def headlines(comparison: Comparison) -> Iterator[Headline]:
    """Yield the headline of each probe that has one."""
    yield from filter(None, (headline_of(comparison, task) for task in comparison.models[-1].tasks))


def headline_of(comparison: Comparison, task: str) -> Headline | None:
    """Return the headline of one probe; None if the curves of the first and the last model cannot be subtracted."""
    last = comparison.models[-1].label
    change = next((one for one in comparison.changes if (one.after, one.tasks) == (last, (task,))), None)
    if change is None or change.position is None or change.difference.avg_interval is None:
        return None
    verdict = next(one.verdict for one in comparison.verdicts if (one.after, one.task) == (last, task))
    models = [model for model in comparison.models if task in model.tasks]
    known = [comparison.of(model, model.tasks[task]) for model in models]
    outcome, detail = _outcome(models, task, known, verdict, change)
    sentence = f"{outcome.capitalize()}: {_scores(models[0], models[-1], task)}{detail}."
    averages = [with_interval(model.tasks[task].score.avg, one.avg) for model, one in zip(models, known, strict=True)]
    dips, following = map(_dip, known), next_step(outcome, models[-1], task)
    if len(models) > 2 and (latest := headline_of(compare(models[-2:]), task)):
        sentence, following = f"{sentence} {latest.sentence}", following or latest.next_step
    return Headline(task, outcome, sentence, following, ARROW.join(averages), ARROW.join(dips))


def _outcome(
    models: Sequence[ModelResult], task: str, known: Sequence[Evidence], verdict: Verdict, change: Change
) -> tuple[Outcome, str]:
    """Return the outcome, and what the sentence says after the scores."""
    position, limits = change.position, change.difference.avg_interval
    assert position and limits  # see `headline_of`
    floor = floor_of(models[-1], task)
    if limits[1] < 0:
        return Outcome.WORSE, ""
    if verdict is Verdict.WORSE:
        return Outcome.WORSE_BY_POSITION, "; the middle has lost ground to the ends"
    if is_at_floor(models[-1].tasks[task], known[-1], floor):
        return Outcome.NOT_SHOWN, f", not clearly better than without reading ({percent(floor)}%)"
    if verdict is Verdict.IMPROVED or (limits[0] > 0 and position.middle.above_zero):
        return Outcome.IMPROVED, f". {_gain(position)}{_level(known[0], known[-1])}"
    why = "the middle is not shown to score higher" if limits[0] > 0 else "the difference is within chance"
    return Outcome.NOT_SHOWN, f"; {why}"


def _scores(first: ModelResult, last: ModelResult, task: str) -> str:
    """Return `from 2.2% right answers (before) to 86.7% (after)`; VAL's document score is not a share of answers."""
    before, after = (f"{percent(model.tasks[task].score.avg)}%" for model in (first, last))
    named = f"{before} right answers" if last.tasks[task].position else f"an average of {before}"
    return f"from {named} ({first.label}) to {after} ({last.label})"


def _gain(change: PositionEffect) -> str:
    if not change.dip.below_zero:
        return "The middle scores higher"
    ends = change.middle.value + change.dip.value
    return "The middle has gained more" if ends > ROUNDING else "Only the middle scores higher"


def _level(before: Evidence, after: Evidence) -> str:
    """Return where the middle is now, as the end of the sentence on its gain."""
    was_below, is_below = (bool(one.position and one.position.dip.above_zero) for one in (before, after))
    if is_below:
        return f", but is {'still ' * was_below}below the ends"
    return f", and is {'no longer' if was_below else 'not'} shown to be below the ends"


def _dip(known: Evidence) -> str:
    return " ".join(estimate(known.position.dip if known.position else None)).strip() or ABSENT

"""State in one sentence per probe what training changed, with the two numbers that matter, before and after.

A verdict (`reporting/verdict.py`) is about position alone, and says nothing where the first model finds nothing. A
headline is about finding: it says *improved* if the middle scores higher, beyond its interval, and so does the average,
or the dip is smaller. Every number and interval is one of the comparison.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.evidence import Change, Evidence
from in2_plugin.reporting.results import ModelResult
from in2_plugin.reporting.text.wording import ABSENT, estimate, percent, with_interval

ARROW = " → "


@dataclass(frozen=True, slots=True)
class Headline:
    """The last model against the first on one probe."""

    task: str
    improved: bool
    sentence: str
    average: str
    """Average of each model in percent, with its interval: `0.0 [0.0, 1.2] → 67.1 [60.2, 73.9]`."""
    dip: str
    """Ends minus middle of each model in points, in the same form."""


def headlines(comparison: Comparison) -> Iterator[Headline]:
    """Yield a headline for each probe whose curves of the first and the last model can be subtracted."""
    changes = {(one.after, one.tasks): one for one in comparison.changes}
    last = comparison.models[-1]
    for task in last.tasks:
        change = changes.get((last.label, (task,)))
        if change and change.position and change.difference.avg_interval:
            yield _headline(comparison, task, change)


def _headline(comparison: Comparison, task: str, change: Change) -> Headline:
    models = [model for model in comparison.models if task in model.tasks]
    known = [comparison.of(model, model.tasks[task]) for model in models]
    averages = [with_interval(model.tasks[task].score.avg, one.avg) for model, one in zip(models, known, strict=True)]
    improved, sentence = _sentence((models[0], models[-1]), task, known[-1], change)
    return Headline(task, improved, sentence, ARROW.join(averages), ARROW.join(map(_dip, known)))


def _sentence(ends: tuple[ModelResult, ModelResult], task: str, after: Evidence, change: Change) -> tuple[bool, str]:
    """Return True and the sentence if the change is an improvement, False and the sentence otherwise."""
    position, limits = change.position, change.difference.avg_interval
    assert position and limits  # see `headlines`
    first, last = (f"{percent(model.tasks[task].score.avg)}%" for model in ends)
    scores = f"{ends[1].label} gives {last} right answers, {ends[0].label} {first}"
    if position.middle.above_zero and (limits[0] > 0 or position.dip.below_zero):
        return True, f"Improved: {scores}, and {_ends_and_middle(after, change)}."
    if limits[1] < 0:
        return False, f"Worse: {scores}."
    return False, f"No improvement shown: {scores}, a difference within chance or not in the middle."


def _ends_and_middle(after: Evidence, change: Change) -> str:
    dip = after.position.dip if after.position else None
    smaller = "the middle has gained more than the ends" if change.position and change.position.dip.below_zero else ""
    if dip is None or dip.interval is None:
        return smaller or "the middle scores higher"
    if dip.above_zero:
        return f"{smaller or 'the middle scores higher'}, but still less than the ends"
    return f"{smaller or 'the middle scores higher'}; it is not shown to be lower than the ends"


def _dip(known: Evidence) -> str:
    return " ".join(estimate(known.position.dip if known.position else None)).strip() or ABSENT

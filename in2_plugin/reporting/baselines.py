"""Select the baselines that a report shows: scores of answers that need no reading.

They are measured on the very probe if its results have them, else they are the paper's. Invariant: a measured baseline
is never mixed with a constant of the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from in2_plugin.reporting.paper_numbers import PAPER_BASELINES, title
from in2_plugin.reporting.results import ModelResult
from in2_plugin.reporting.text.wording import percent

VISIBLE = 0.02
"""A lower baseline coincides with the axis of a plot."""
MEANINGS = {
    "echo": "repeating the quoted part of the question",
    "other": "answering with a random other item",
}
LABELS = {"echo": "echo only", "other": "any other"}


@dataclass(frozen=True, slots=True)
class ShownBaseline:
    """One baseline, as a fraction of one."""

    score: float
    label: str
    explanation: str


def shown_baselines(models: Sequence[ModelResult], task: str) -> tuple[ShownBaseline, ...]:
    """Return the baselines for a plot of `task`: the mean of those in the models' results, else the paper's."""
    measured = [baseline for name in MEANINGS for baseline in _measured(models, task, name)]
    if measured or any(baseline_values(models, task, name) for name in MEANINGS):
        return tuple(measured)
    return tuple(ShownBaseline(one.score / 100, one.label, one.explanation) for one in PAPER_BASELINES.get(task, ()))


def baseline_values(models: Sequence[ModelResult], task: str, name: str) -> list[float]:
    """Return the baseline `echo` or `other` of each model whose results of `task` have it."""
    found = [getattr(model.tasks[task].baselines, name) for model in models if task in model.tasks]
    return [value for value in found if value is not None]


def _measured(models: Sequence[ModelResult], task: str, name: str) -> list[ShownBaseline]:
    values = baseline_values(models, task, name)
    if not values or fmean(values) < VISIBLE:
        return []
    score = fmean(values)
    meaning = f"{MEANINGS[name]} scores {percent(score)} on the {title(task).lower()} probe"
    return [ShownBaseline(score, f"{LABELS[name]} {percent(score)}", meaning)]

"""Scores that need no reading, as a report shows them: of the very probe where it says so, else the paper's.

Invariant: a floor that the results hold is never mixed with a constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from in2_plugin.reporting.paper_numbers import FLOORS, TITLES
from in2_plugin.reporting.results import ModelResult
from in2_plugin.reporting.text.wording import percent

VISIBLE = 0.02
"""A floor below is the axis itself on a plot."""
MEANINGS = {
    "echo": "repeating the quoted part of the question",
    "other": "answering with a random other item",
}
LABELS = {"echo": "echo only", "other": "any other"}


@dataclass(frozen=True, slots=True)
class ShownFloor:
    """One floor, as a fraction of one."""

    score: float
    label: str
    explanation: str


def shown_floors(models: Sequence[ModelResult], task: str) -> tuple[ShownFloor, ...]:
    """What a plot of `task` marks: the floors measured on the models' own probes (their mean), else the constants."""
    measured = [floor for name in MEANINGS for floor in _measured(models, task, name)]
    if measured or any(floor_values(models, task, name) for name in MEANINGS):
        return tuple(measured)
    return tuple(ShownFloor(floor.score / 100, floor.label, floor.explanation) for floor in FLOORS[task])


def floor_values(models: Sequence[ModelResult], task: str, name: str) -> list[float]:
    """The floor `echo` or `other` of each model that ran `task` and knows it."""
    found = [getattr(model.tasks[task].floors, name) for model in models if task in model.tasks]
    return [value for value in found if value is not None]


def _measured(models: Sequence[ModelResult], task: str, name: str) -> list[ShownFloor]:
    values = floor_values(models, task, name)
    if not values or fmean(values) < VISIBLE:
        return []
    score = fmean(values)
    meaning = f"{MEANINGS[name]} scores {percent(score)} on the {TITLES[task].lower()} probe"
    return [ShownFloor(score, f"{LABELS[name]} {percent(score)}", meaning)]

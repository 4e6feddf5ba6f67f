"""Arrange the scores of a study by task, arm, seed and question, and estimate quantities of arms and contrasts.

A question of a position probe is asked at every depth, so its scores are combined into one value; in VAL and the
held-out questions each question has one depth, so fifths are strata, in which every context of VAL counts the same,
as in `in2 report`. Contrasts are paired by seed and question. With `by_block`, questions that share contexts are one
unit.
Invariant: all arms and seeds of a task answered the same questions.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.analysis.estimates import (
    Estimate,
    Numbers,
    SeedVariance,
    Stratum,
    estimate,
    pooled_seed_variance,
)
from benchmarks.evidence.rows import UNKNOWN, Rows, ScoredUnit
from benchmarks.evidence.study import Study, load_study
from in2_plugin.errors import ReportError
from in2_plugin.probing.scoring.curves import span_of, span_of_depth
from in2_plugin.probing.scoring.dip import DIP, FIFTHS, MIDDLE

Quantity = Literal["dip", "avg", "ends", "middle"]
WEIGHTS: dict[Quantity, Numbers] = {
    "dip": DIP,
    "avg": np.full(FIFTHS, 1 / FIFTHS),
    "ends": DIP + MIDDLE,
    "middle": MIDDLE,
}
ONE_DEPTH = ("val_probe", "held_out")
"""Beginnings of the tasks in which a question has one depth."""
REMEDY = "delete the rows of one of them, and run the study again"
Task = tuple[str, int]
"""Name and length in tokens; 0 without a context."""
Place = tuple[int, int, int]
"""Unit, position, number of positions."""


@dataclass(frozen=True, slots=True)
class StudyScores:
    """All scores of a study."""

    study: Study
    rows: Rows
    by_task: Mapping[Task, Mapping[tuple[str, int], Mapping[Place, float]]]
    """Task -> (arm, seed) -> place -> score."""
    contexts: Mapping[Task, Mapping[Place, int]] = field(default_factory=dict)
    """Task -> place -> number of the context; without those that are unknown."""
    _tables: dict[tuple[Task, str, tuple[int, ...]], "Table"] = field(default_factory=dict, repr=False)

    def seeds(self, task: Task, arms: Iterable[str]) -> tuple[int, ...]:
        """Return the seeds that all of `arms` have scores of."""
        having = [{seed for arm, seed in self.by_task.get(task, {}) if arm == one} for one in arms]
        return tuple(sorted(set.intersection(*having))) if having else ()

    def estimate(
        self, task: Task, quantity: Quantity, arm: str, minus: str | None = None, by_block: bool = False
    ) -> Estimate | None:
        """Return a quantity of an arm, or its difference from another arm.

        Returns None without scores, and where the quantity depends on depths or contexts that are not known. With
        `by_block`, questions of a position probe that share contexts are one unit.
        """
        arms = [arm, *([minus] if minus else [])]
        seeds = self.seeds(task, arms)
        if not seeds or (quantity != "avg" and not self.has_depths(task)):
            return None
        if by_block and not self.contexts.get(task):
            return None
        one, *other = (self._strata(task, quantity, name, seeds, by_block) for name in arms)
        if not other:
            return estimate(one)
        self._require_same_questions(task, arms, seeds)
        differences = [a.minus(b) for a, b in zip(one, other[0], strict=True)]
        return estimate(differences, self._pooled(task, quantity, arms, seeds))

    def curve(self, task: Task, arm: str, seed: int) -> list[float]:
        """Return the mean score in each fifth of the depth."""
        table = Table.of(task, [self.by_task[task][arm, seed]])
        return [float(of_fifth.by_seed[0]) for of_fifth in table.fifths]

    def has_depths(self, task: Task) -> bool:
        """Return True if every fifth of the depth has questions."""
        first = next(iter(self.by_task[task].values()))
        return Table.of(task, [first]).has_depths

    def _pooled(
        self, task: Task, quantity: Quantity, arms: Sequence[str], seeds: tuple[int, ...]
    ) -> SeedVariance | None:
        """Pool seeds over all trained arms, if both arms are trained and all have these seeds."""
        trained = [arm for arm in self.study.trained_arms if set(seeds) <= set(self.seeds(task, [arm]))]
        if not set(arms) <= set(trained):
            return None
        return pooled_seed_variance([self._strata(task, quantity, arm, seeds) for arm in trained])

    def _require_same_questions(self, task: Task, arms: Sequence[str], seeds: tuple[int, ...]) -> None:
        first, other = (self._tables[task, arm, seeds] for arm in arms)
        if first.places != other.places:
            raise ReportError(f"{task[0]}: {arms[0]} and {arms[1]} were asked different questions; {REMEDY}")

    def _strata(
        self, task: Task, quantity: Quantity, arm: str, seeds: tuple[int, ...], by_block: bool = False
    ) -> list[Stratum]:
        key = task, arm, seeds
        if key not in self._tables:
            self._tables[key] = Table.of(task, [self.by_task[task][arm, seed] for seed in seeds])
        return self._tables[key].strata(WEIGHTS[quantity], self.contexts[task] if by_block else None)


@dataclass(frozen=True)
class Table:
    """The scores of one task, of several models with the same questions."""

    name: str
    places: tuple[Place, ...]
    values: Numbers = field(repr=False)
    """(models, places)"""

    @classmethod
    def of(cls, task: Task, models: Sequence[Mapping[Place, float]]) -> "Table":
        """Arrange the scores.

        Raises:
            ReportError: the models were asked different questions.
        """
        places = tuple(sorted(models[0]))
        if any(tuple(sorted(model)) != places for model in models[1:]):
            raise ReportError(f"{task[0]}: models were asked different questions; {REMEDY}")
        return cls(task[0], places, np.array([[model[place] for place in places] for model in models]))

    @property
    def has_depths(self) -> bool:
        return all(of_fifth.values.shape[1] for of_fifth in self.fifths)

    @cached_property
    def fifths(self) -> list[Stratum]:
        """Return the scores in each fifth, in which every unit counts the same."""
        fifth_of = np.array([self._fifth(place) if place[2] >= FIFTHS else -1 for place in self.places])
        return [self._mean_over_units(np.flatnonzero(fifth_of == fifth)) for fifth in range(FIFTHS)]

    def _mean_over_units(self, chosen: NDArray[np.intp]) -> Stratum:
        units = [self.places[i][0] for i in chosen]
        sizes = Counter(units)
        return Stratum(self.values[:, chosen], 1.0, np.array([1 / (len(sizes) * sizes[unit]) for unit in units]))

    def strata(self, weights: Numbers, contexts: Mapping[Place, int] | None = None) -> list[Stratum]:
        """Return the values whose weighted means add up to the quantity with these weights by fifth.

        With `contexts`, those of a position probe are means over the questions that share them.
        """
        if not self.has_depths:
            return [Stratum(self.values, 1.0)]
        if self.name.startswith(ONE_DEPTH):
            return [replace(one, weight=float(w)) for one, w in zip(self.fifths, weights, strict=True) if w]
        values = self._by_question(weights)
        return [Stratum(values, 1.0) if contexts is None else self._by_block(values, contexts)]

    def _by_block(self, values: Numbers, contexts: Mapping[Place, int]) -> Stratum:
        """Return the means of questions whose first contexts are the same."""
        first = {unit: min(contexts[p] for p in places) for unit, places in groupby(self.places, key=lambda p: p[0])}
        blocks = np.array(list(first.values()))
        found, sizes = np.unique(blocks, return_counts=True)
        means = np.array([values[:, blocks == block].mean(axis=1) for block in found]).T
        return Stratum(means, 1.0, sizes / sizes.sum())

    def _by_question(self, weights: Numbers) -> Numbers:
        """Return (models, questions) the quantity of each question, which is asked at every depth."""
        cells: dict[int, dict[int, list[Numbers]]] = defaultdict(lambda: defaultdict(list))
        for place, column in zip(self.places, self.values.T, strict=True):
            cells[place[0]][self._fifth(place)].append(column)
        for question, of_question in cells.items():
            if len(of_question) < FIFTHS:
                raise ReportError(f"{self.name}: question {question} was not asked in every fifth; measure it again")
        combined = [sum(weights[f] * np.mean(one[f], axis=0) for f in range(FIFTHS)) for one in cells.values()]
        return np.array(combined).T

    def _fifth(self, place: Place) -> int:
        of = span_of if self.name.startswith(ONE_DEPTH) else span_of_depth
        return of(place[1], place[2], FIFTHS)


def read_scores(folder: Path) -> StudyScores:
    """Read the rows of a study.

    Raises:
        ReportError: there are none, or a file of scores is missing.
    """
    rows = Rows(folder)
    if not rows.all:
        raise ReportError(f"{folder}: has no rows.jsonl with a finished cell; run the study first")
    by_task: dict[Task, dict[tuple[str, int], dict[Place, float]]] = defaultdict(lambda: defaultdict(dict))
    contexts: dict[Task, dict[Place, int]] = defaultdict(dict)
    for row in rows.all:
        for one in rows.scores(row):
            by_task[one.task, one.length][row["arm"], row["seed"]][_place(one)] = one.score
            if one.context != UNKNOWN:
                contexts[one.task, one.length][_place(one)] = one.context
    return StudyScores(load_study(folder / "study.yml"), rows, by_task, contexts)


def _place(one: ScoredUnit) -> Place:
    return one.unit, one.position, one.n_positions

"""Estimate the uncertainty of each number: intervals, noise floors, and differences from the first model.

Invariant: every estimate starts from the same seed, so it does not depend on what else is in the report, and equal
results give equal bytes. Cost: about 0.15 s for a probe of 3,200 questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from in2_plugin.probing.scoring.dip import PositionEffect, curve_effect, mean_effect, position_change, position_effect
from in2_plugin.probing.scoring.statistics import (
    Difference,
    FlatGap,
    Interval,
    Intervals,
    ScorePair,
    bootstrap,
    difference,
    flat_gap,
    mean_interval,
)
from in2_plugin.reporting.binomial_gap import binomial_flat_gap, rows_per_span
from in2_plugin.reporting.paper_numbers import PAPER_TASKS
from in2_plugin.reporting.results import ModelResult, TaskResult

DRAWS = 2_000
SEED = 240_416_811
DRAWING = ("probe_seed", "probe_pieces")
"""Options that select the item at each position; where they are equal, a probe has the same questions."""

CHOSEN_LENGTHS = "probe_lengths"
"""Option of `in2_probe` that chooses some lengths of its folder, whose digest covers all."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What chance means for one result."""

    intervals: Intervals | None
    """None if the results have no scores of single questions."""
    flat: FlatGap
    is_exact: bool
    """True if the flat model shuffles the scores, False if it is binomial."""
    beyond_chance: bool
    """True if the measured Gap exceeds that of 95 of 100 flat models."""
    position: PositionEffect | None
    """Dip and slope; without intervals if single scores are missing, None if a fifth of the depth has no score."""

    @property
    def avg(self) -> Interval | None:
        return self.intervals.avg if self.intervals else None

    @property
    def gap(self) -> Interval | None:
        return self.intervals.gap if self.intervals else None


NO_CURVE = Evidence(None, FlatGap(0.0, 0.0, 0, 0), is_exact=False, beyond_chance=False, position=None)
"""Of a result without a score at any position."""


@dataclass(frozen=True, slots=True)
class Change:
    """A later model against the first, over the probes that both have."""

    before: str
    after: str
    tasks: tuple[str, ...]
    difference: Difference
    position: PositionEffect | None
    """The change of dip and slope; None if a fifth of the depth has no score."""


def weigh(result: TaskResult) -> Evidence:
    """Intervals and noise floor of one result."""
    if not result.has_curve:
        return NO_CURVE
    if not result.sets:
        counts = rows_per_span(result.rows, result.scored_spans)
        flat = binomial_flat_gap(result.score.avg, result.score.gap, counts, _rng())
        beyond = result.score.gap > flat.percentile_95
        return Evidence(None, flat, is_exact=False, beyond_chance=beyond, position=curve_effect(result.spans))
    n_spans, paired = len(result.spans), result.position is not None
    flat = flat_gap(result.sets, n_spans, _rng(), DRAWS)
    intervals = bootstrap(result.sets, n_spans, _rng(), DRAWS, paired)
    beyond = result.score.gap > flat.percentile_95
    position = position_effect([result.sets], _rng(), DRAWS, paired)
    return Evidence(intervals, flat, is_exact=True, beyond_chance=beyond, position=position)


def overall_position(model: ModelResult, tasks: Sequence[str]) -> PositionEffect | None:
    """Return the mean effect over `tasks` if the model has all; without intervals where single scores are not known."""
    results = [model.tasks[task] for task in tasks if task in model.tasks]
    if len(results) < len(tasks):
        return None
    if all(result.sets for result in results):
        return position_effect([result.sets for result in results], _rng(), DRAWS)
    effects = [effect for result in results if (effect := curve_effect(result.spans))]
    return mean_effect(effects) if len(effects) == len(tasks) else None


def overall(model: ModelResult) -> Interval | None:
    """Return the interval of the mean over the paper's three probes, if the model has them all with their scores."""
    results = [model.tasks[task] for task in PAPER_TASKS if task in model.tasks]
    if model.all is None or not all(result.sets for result in results):
        return None
    return mean_interval([(result.sets, len(result.spans)) for result in results], _rng(), DRAWS)


def change(before: ModelResult, after: ModelResult, tasks: Sequence[str]) -> Change | None:
    """Return the difference over `tasks`, which both have, or None without scores of single questions.

    Probes of different lengths or numbers of spans, and position probes with other questions, are not subtracted: that
    is not a difference of the models.
    """
    results = [(before.tasks[task], after.tasks[task]) for task in tasks]
    if not results or not all(_subtractable(first, second) for first, second in results):
        return None
    pairs = [ScorePair(first.sets, second.sets, len(first.spans)) for first, second in results]
    paired = all(first.options.get(key) == second.options.get(key) for first, second in results for key in DRAWING)
    by_question = all(first.position is not None for first, _ in results)
    found = difference(pairs, _rng(), DRAWS, paired, by_question)
    effect = position_change(pairs, _rng(), DRAWS, paired, by_question)
    return Change(before.label, after.label, tuple(tasks), found, effect)


def _subtractable(first: TaskResult, second: TaskResult) -> bool:
    same = same_length(first, second) and len(first.spans) == len(second.spans)
    return bool(first.sets and second.sets) and same and same_questions(first, second)


def same_length(first: TaskResult, second: TaskResult) -> bool:
    """Return True for results of one probe whose contexts have the same length, or are the same.

    The length of `litm_qa` is that of its longest prompt, so the same contexts have another one with another tokenizer.
    """
    return first.key == second.key or (
        first.position is not None
        and second.position is not None
        and first.position.digest == second.position.digest
        and len(first.position.lengths) == len(second.position.lengths) == 1
        and first.options.get(CHOSEN_LENGTHS) == second.options.get(CHOSEN_LENGTHS)
    )


def same_questions(first: TaskResult, second: TaskResult) -> bool:
    """Return False for a position probe of which other questions were asked, or about other contexts."""
    if first.position is None or second.position is None:
        return True
    return first.position.digest == second.position.digest and ScorePair(first.sets, second.sets, 1).matches


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)

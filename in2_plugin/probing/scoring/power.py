"""Compute how many questions a probe needs to show a Dip of a given size, and how large a Gap chance gives with them.

The rule whose power is computed is that of `dip.py`: the interval of the Dip is above zero. It is simulated on normal
contexts, so the numbers hold from about five questions per span and context. Seeded; a call takes about 10 ms.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from in2_plugin.probing.scoring.dip import DIP, FIFTHS
from in2_plugin.probing.scoring.statistics import HIGH, Interval, Numbers

SEED = 0
RUNS = 20_000
MOST_QUESTIONS = 1_000_000
"""Questions per span after which a search ends: the contexts differ too much."""


@dataclass(frozen=True, slots=True)
class Design:
    """What is known before a run; scores are fractions of one."""

    spans: int = 16
    contexts: int = 4
    score: float = 0.5
    """Average to expect; 0.5 is the worst case, in which right and wrong answers vary most."""
    context_deviation: float = 0.0
    """Standard deviation of the Dip between contexts, if every question of them were asked."""
    confidence: float = 0.95
    power: float = 0.8
    """Chance that a Dip of the size stated is shown."""


def detectable_dip(questions: float, design: Design, models: int = 1) -> float:
    """Return the smallest Dip that is shown with the design's power.

    Args:
        questions: questions per span, over all contexts.
        design: what is known before the run.
        models: 1 for the Dip of a model, 2 for the change between two models whose answers are unrelated; on the same
            questions, their answers are related and a smaller change is shown.
    """
    of_answers = models * design.score * (1 - design.score) * float(DIP @ DIP) * FIFTHS
    within = of_answers * design.contexts / (questions * design.spans)
    between = models * design.context_deviation**2
    return math.sqrt(within) * _multiple(between / within if within else 0.0, design)


def questions_needed(dip: float, design: Design, models: int = 1) -> int | None:
    """Return the questions per span that show a Dip of this size; None if no number does, because contexts differ."""
    return smallest(lambda questions: detectable_dip(questions, design, models) <= dip, 1, MOST_QUESTIONS)


def smallest(shows: Callable[[int], bool], least: int, most: int) -> int | None:
    """Return the smallest number from `least` to `most` that shows; None if none does. All larger ones show, too."""
    if not shows(most):
        return None
    return bisect_left(range(least, most), True, key=shows) + least


def gap_by_chance(questions: float, design: Design) -> float:
    """Return the Gap that a model shows on average which reads every position equally well."""
    ranges = np.ptp(np.random.default_rng(SEED).standard_normal((RUNS, design.spans)), axis=1)
    deviation = math.sqrt(design.score * (1 - design.score) / questions)
    return min(1.0, float(ranges.mean()) * deviation)


def detectable_paired_dip(questions: int, design: Design, correlation: float = 0.0, models: int = 1) -> float:
    """Return the smallest Dip that is shown with the design's power where each question is asked at every depth.

    The interval is that of `dip.py` for paired depths, over questions; `design.contexts` does not count.

    Args:
        questions: at least two, each asked at all `design.spans` depths.
        design: what is known before the run.
        correlation: of two answers to one question, from 0; related answers show a smaller Dip.
        models: 1 for the Dip of a model, 2 for the change between two models whose answers are unrelated.
    """
    of_answers = models * design.score * (1 - design.score) * float(DIP @ DIP) * FIFTHS / design.spans
    deviation = math.sqrt(of_answers * (1 - correlation) / questions)
    multiple = stats.t.ppf((1 + design.confidence) / 2, questions - 1) + stats.norm.ppf(design.power)
    return deviation * float(multiple)


def paired_questions_needed(dip: float, design: Design, correlation: float = 0.0, models: int = 1) -> int:
    """Return the questions that show a Dip of this size, each asked at every depth."""

    def shows(questions: int) -> bool:
        return detectable_paired_dip(questions, design, correlation, models) <= dip

    return smallest(shows, 2, MOST_QUESTIONS) or MOST_QUESTIONS


def shown_by(interval: Interval, power: float = 0.8) -> float:
    """Return the Dip that a run as precise as one with this 95% interval shows with `power`."""
    deviation = (interval[1] - interval[0]) / (2 * float(stats.norm.ppf(HIGH)))
    return deviation * float(stats.norm.ppf(HIGH) + stats.norm.ppf(power))


def _multiple(ratio: float, design: Design) -> float:
    """Return the Dip that is shown, in standard deviations of a context's Dip from its questions.

    `ratio` is the variance between contexts over that of their questions.
    """
    contexts = design.contexts
    drawn = math.sqrt(1 + ratio) * _normal(contexts)
    tail = (1 + design.confidence) / 2
    of_questions = np.full(RUNS, stats.norm.ppf(tail) / math.sqrt(contexts))
    half = of_questions
    if contexts > 1:
        deviations = drawn.std(axis=1, ddof=1)
        of_contexts = stats.t.ppf(tail, contexts - 1) * deviations / math.sqrt(contexts)
        half = np.where(deviations > 1, of_contexts, of_questions)
    return float(np.quantile(half - drawn.mean(axis=1), design.power))


def _normal(contexts: int) -> Numbers:
    return np.random.default_rng(SEED).standard_normal((RUNS, contexts))

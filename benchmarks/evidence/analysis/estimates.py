"""Estimate a mean over seeds and questions, with a 95% interval. Both are samples; all seeds answer all questions.

Seeds and questions are crossed, so their variances add up (Clark 1973; Satterthwaite's degrees of freedom):

    V = V_seeds + V_questions - V_both,   never below V_questions

where each V is the mean square of a factor over the number of scores; the rest, V_both, is in both of the others. A
bootstrap over three seeds would be far too narrow. The seeds of a contrast between trained arms are judged by the
interaction of arms and seeds of *all* trained arms, which has (arms - 1)(seeds - 1) degrees of freedom instead of
seeds - 1. In simulation, intervals cover 94 to 98% (tests/benchmarks/evidence/analysis/test_estimates.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stratum:
    """Values of the questions of one range of depths, and their weight in the estimate."""

    values: Numbers
    """(seeds, questions)"""
    weight: float
    shares: Numbers | None = None
    """(questions,) share of each question in the mean, 1 in sum; by default equal."""

    @property
    def by_seed(self) -> Numbers:
        """(seeds,) the part of each seed's estimate."""
        return np.asarray(self.weight * np.average(self.values, axis=1, weights=self.shares))

    @property
    def effective_questions(self) -> float:
        """Number of questions with equal shares whose mean varies as much."""
        return self.values.shape[1] if self.shares is None else 1 / float(self.shares @ self.shares)

    def minus(self, other: "Stratum") -> "Stratum":
        """Return the differences, question by question."""
        return replace(self, values=self.values - other.values)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its interval."""

    value: float
    interval: tuple[float, float] | None
    """None where nothing varies, or a stratum has a single question."""
    seeds: int
    questions: int

    def above(self, bound: float) -> bool:
        """True if the whole interval is above `bound`."""
        return self.interval is not None and self.interval[0] > bound

    def below(self, bound: float) -> bool:
        """True if the whole interval is below `bound`."""
        return self.interval is not None and self.interval[1] < bound


@dataclass(frozen=True, slots=True)
class SeedVariance:
    """The variance of an estimate from seeds, the noise of questions within a seed included."""

    of_mean: float
    degrees: int


def estimate(strata: Sequence[Stratum], seeds: SeedVariance | None = None) -> Estimate:
    """Return the sum over strata of weight times mean.

    With a single seed, the interval is over questions alone.

    Args:
        strata: (seeds, questions) of each stratum, with the same seeds.
        seeds: the variance from seeds; by default, that of these values.
    """
    by_seed = np.sum([one.by_seed for one in strata], axis=0)
    n_seeds, n_questions = len(by_seed), sum(one.values.shape[1] for one in strata)
    value = float(by_seed.mean())
    if any(one.values.shape[1] < 2 for one in strata):
        return Estimate(value, None, n_seeds, n_questions)
    questions, both = np.sum([_variances(one) for one in strata], axis=0)
    degrees_q = n_questions - len(strata)
    if n_seeds == 1:
        return _estimate(value, questions, degrees_q, n_seeds, n_questions)
    if seeds is None:
        seeds = SeedVariance(float(by_seed.var(ddof=1)) / n_seeds, n_seeds - 1)
    variance = max(seeds.of_mean + questions - both, questions)
    parts = seeds.of_mean**2 / seeds.degrees + questions**2 / degrees_q + both**2 / (degrees_q * (n_seeds - 1))
    return _estimate(value, variance, variance**2 / parts if parts else 1.0, n_seeds, n_questions)


def _variances(stratum: Stratum) -> tuple[float, float]:
    """Return the variances of the estimate from questions, and from what neither seeds nor questions explain."""
    values = stratum.values
    n_seeds, n = values.shape
    effective = stratum.effective_questions
    of_questions = float(values.mean(axis=0).var(ddof=1)) / effective
    if n_seeds == 1:
        return stratum.weight**2 * of_questions, 0.0
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    of_both = float((rest**2).sum()) / ((n_seeds - 1) * (n - 1)) / (n_seeds * effective)
    return stratum.weight**2 * of_questions, stratum.weight**2 * of_both


def _estimate(value: float, variance: float, degrees: float, seeds: int, questions: int) -> Estimate:
    if variance <= 0:
        return Estimate(value, None, seeds, questions)
    half = float(stdtrit(max(1.0, degrees), (1 + CONFIDENCE) / 2)) * variance**0.5
    return Estimate(value, (value - half, value + half), seeds, questions)


def pooled_seed_variance(arms: Sequence[Sequence[Stratum]]) -> SeedVariance | None:
    """Return the seed variance of a contrast between two of `arms`, from all; None without two arms and two seeds."""
    by_arm = np.array([np.sum([one.by_seed for one in strata], axis=0) for strata in arms])
    n_arms, n_seeds = by_arm.shape
    if n_arms < 2 or n_seeds < 2:
        return None
    rest = by_arm - by_arm.mean(axis=1, keepdims=True) - by_arm.mean(axis=0, keepdims=True) + by_arm.mean()
    degrees = (n_arms - 1) * (n_seeds - 1)
    return SeedVariance(2 * float((rest**2).sum()) / degrees / n_seeds, degrees)

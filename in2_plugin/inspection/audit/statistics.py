"""The statistics of an audit: how far a sample may be from the distribution it is meant to have.

Two tests, each with a bound that never fails for chance nor for its own resolution: Kolmogorov-Smirnov sees a drift of
the whole, chi-square a dent in one range. A tolerance d is the largest distance between the distribution functions that
is let pass; chance comes on top at a level of one in a million, so that an audit of thirty figures on a good dataset
fails once in thirty thousand times.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ALPHA = 1e-6
BINS = 10
EFFECT = 5
"""Effect size w of chi-square that goes with a tolerance of 1. A tilt with distance d has w = 2.3 d, and jumps from bin
to bin, the most that distance allows, 20 d; with 5 and the default d = 0.02, w is 0.1: Cohen's "small"."""
LARGEST_EFFECT = math.sqrt(BINS - 1)
"""Everything in one bin."""


def shares_below(histogram: Sequence[float], depths: Floats) -> Floats:
    """The intended share of golds before each depth; uniform in [0, 1) when depths are as intended.

    Args:
        histogram: weights of equal ranges of [0, 1), as in `Positions.histogram`.
    """
    edges = np.concatenate([[0.0], np.cumsum(histogram)]) / sum(histogram)
    return np.interp(depths, np.linspace(0, 1, len(edges)), edges)


def distance_from_uniform(values: Floats) -> float:
    """The Kolmogorov-Smirnov distance of a sample in [0, 1] from the uniform distribution; 0 of an empty one."""
    n, ordered = len(values), np.sort(values)
    places = np.arange(n) / max(n, 1)
    return float(max((places + 1 / n - ordered).max(), (ordered - places).max())) if n else 0.0


def largest_distance(n: int, tolerance: float) -> float:
    """What that distance may be for a sample of n (the inequality of Dvoretzky, Kiefer and Wolfowitz)."""
    return min(1.0, tolerance + math.sqrt(-math.log(ALPHA / 2) / (2 * max(n, 1))))


def chi_square(values: Floats) -> float:
    """Pearson's statistic of a sample in [0, 1] over BINS equal ranges; 0 of an empty one."""
    counts = np.bincount(np.minimum((values * BINS).astype(int), BINS - 1), minlength=BINS)
    expected = len(values) / BINS
    return float(((counts - expected) ** 2).sum() / expected) if len(values) else 0.0


def largest_chi_square(n: int, tolerance: float) -> float:
    """What that statistic may be: the upper end of the noncentral distribution for the effect that is let pass."""
    from scipy.stats import ncx2

    effect = min(EFFECT * tolerance, LARGEST_EFFECT)
    return float(ncx2.isf(ALPHA, BINS - 1, max(n * effect**2, 1e-9)))


def distance_shares(histogram: Sequence[float], distances: Floats, points: int = 512) -> Floats:
    """The share of pairs of independent depths that are closer to each other than each distance.

    For a uniform histogram this is 2x - x^2. From all pairs of `points` quantiles, exact to 1 / points.
    """
    edges = np.concatenate([[0.0], np.cumsum(histogram)]) / sum(histogram)
    rising = np.concatenate([[True], np.diff(edges) > 0])
    middles = (np.arange(points) + 0.5) / points
    # where an edge of the histogram is a jump, both ends are needed, or interpolation would fill the gap
    starts = np.arange(len(histogram))[rising[1:]]
    low, high = edges[starts], edges[starts + 1]
    which = np.searchsorted(high, middles, side="right")
    depths = (starts[which] + (middles - low[which]) / (high - low)[which]) / len(histogram)
    pairs = np.sort(np.abs(depths[:, None] - depths[None, :]), axis=None)
    return np.searchsorted(pairs, distances, side="right") / len(pairs)


def fixed_points(numbers: npt.NDArray[np.uint64]) -> Floats:
    """A point in [0, 1) for each number: uniform over many numbers, and the same in every audit (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2**53

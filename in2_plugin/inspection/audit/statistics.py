"""Test whether a sample has its intended distribution.

Kolmogorov-Smirnov detects a drift of the whole sample, chi-square a deviation in one range. A tolerance d is the
largest accepted distance between the distribution functions. Each bound adds the deviation expected from chance at a
level of one in a million: an audit of thirty figures fails on one of 30,000 valid datasets. scipy.stats takes most of a
second to import, so functions import it when they need it.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ALPHA = 1e-6
BINS = 10
EFFECT = 5
"""Effect size w of chi-square for a tolerance of 1. A linear tilt with distance d has w = 2.3 d; jumps from bin to bin,
the largest effect that distance allows, have 20 d. With 5 and the default d = 0.02, w is 0.1: Cohen's "small"."""
MAX_EFFECT = math.sqrt(BINS - 1)
"""Effect size if all values are in one bin."""


def shares_below(histogram: Sequence[float], depths: Floats) -> Floats:
    """Return the intended share of golds before each depth: uniform in [0, 1) if depths are as intended.

    Args:
        histogram: weights of equal ranges of [0, 1), as in `Positions.histogram`.
    """
    edges = np.concatenate([[0.0], np.cumsum(histogram)]) / sum(histogram)
    return np.interp(depths, np.linspace(0, 1, len(edges)), edges)


def ks_distance(values: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance of a sample in [0, 1] from the uniform distribution; 0 if it is empty."""
    from scipy.stats import kstest

    # the p-value is not used, and its exact form is slow for large samples
    return float(kstest(values, "uniform", method="asymp").statistic) if len(values) else 0.0


def max_ks_distance(n: int, tolerance: float) -> float:
    """Return the bound of that distance for a sample of n: the tolerance plus the exact quantile of chance."""
    from scipy.stats import kstwo

    return min(1.0, tolerance + float(kstwo.isf(ALPHA, max(n, 1))))


def chi_square(values: Floats) -> float:
    """Return Pearson's chi-square of a sample in [0, 1] over BINS equal ranges; 0 if it is empty."""
    from scipy.stats import chisquare

    counts = np.bincount(np.minimum((values * BINS).astype(int), BINS - 1), minlength=BINS)
    return float(chisquare(counts).statistic) if len(values) else 0.0


def max_chi_square(n: int, tolerance: float) -> float:
    """Return the bound of chi-square: the upper quantile of its noncentral distribution for the accepted effect."""
    from scipy.stats import ncx2

    effect = min(EFFECT * tolerance, MAX_EFFECT)
    return float(ncx2.isf(ALPHA, BINS - 1, max(n * effect**2, 1e-9)))


def distance_shares(histogram: Sequence[float], distances: Floats, points: int = 512) -> Floats:
    """Return the share of pairs of independent depths that are closer than each distance.

    For a uniform histogram this is 2x - x^2. Computed from all pairs of `points` quantiles; exact to 1 / points.
    """
    edges = np.concatenate([[0.0], np.cumsum(histogram)]) / sum(histogram)
    rising = np.concatenate([[True], np.diff(edges) > 0])
    middles = (np.arange(points) + 0.5) / points
    # interpolate within ranges of positive weight only: across an empty range it would fill the gap
    starts = np.arange(len(histogram))[rising[1:]]
    low, high = edges[starts], edges[starts + 1]
    which = np.searchsorted(high, middles, side="right")
    depths = (starts[which] + (middles - low[which]) / (high - low)[which]) / len(histogram)
    pairs = np.sort(np.abs(depths[:, None] - depths[None, :]), axis=None)
    return np.searchsorted(pairs, distances, side="right") / len(pairs)


def fixed_points(numbers: npt.NDArray[np.uint64]) -> Floats:
    """Map each number to a point in [0, 1), uniform over many numbers and the same in every audit (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2**53

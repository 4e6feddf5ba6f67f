"""Test whether a sample has its intended distribution.

Positions are given as quantiles: the place of a gold segment covers a range [low, high) of [0, 1), and a point in that
range is uniform if places are as intended, whatever the number of segments. Chi-square detects any deviation. The
share in the middle fifth is the focused test: with one number it finds a dip of 10% in 15,500 golds in 99 of 100 cases.
Each bound is a quantile of chance plus a tolerance, which is a share of the golds. scipy.stats takes most of a second
to import, so functions import it when they need it.
"""

import math

import numpy as np
import numpy.typing as npt

from in2_plugin.examples.positions import DEPTH_BINS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ALPHA = 1e-5
"""Level of one figure: with 25 of them, an audit fails on one of 3,000 valid datasets."""
ALPHA_ALL = 1e-4
"""Level of the middle fifth of all golds, the one figure that a dataset is made for."""
BINS = 10
MIDDLE = (0.4, 0.6)
EFFECT = 2.5
"""Effect size w of chi-square for a share of 1 that is missing in the middle fifth, and spread over the others."""
MAX_EFFECT = math.sqrt(BINS - 1)
"""Effect size if all values are in one bin."""


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


def shares_inside(lows: Floats, highs: Floats, start: float, stop: float) -> Floats:
    """Return the share of each range [low, high) that is within [start, stop)."""
    inside = np.clip(highs, start, stop) - np.clip(lows, start, stop)
    return np.divide(inside, highs - lows, out=np.zeros_like(inside), where=highs > lows)


def max_share_error(n: int, share: float, alpha: float) -> float:
    """Return how far the share of n random golds in a range of this probability is from it by chance."""
    from scipy.stats import binom

    return max(float(binom.isf(alpha / 2, n, share)) / n - share, share - float(binom.ppf(alpha / 2, n, share)) / n)


def max_dealt_error(places: Ints, n_decks: int, start: float, stop: float, alpha: float) -> float:
    """Return how far the share of golds in a range is from `stop` - `start` if their places are dealt from decks.

    The bound is Bernstein's inequality. What varies is what a place covers beyond the bin that was dealt, and the decks
    that are not dealt to their end.

    Args:
        places: (n,) number of places that were free for each gold.
        n_decks: decks from which all golds were dealt, of DEPTH_BINS bins each.
    """
    n, share = len(places), stop - start
    incomplete = n_decks * share * (1 - share) * DEPTH_BINS**2 / 4 / (DEPTH_BINS - 1)
    variance = n * _dealt_variance(places, start, stop) + incomplete
    exponent = math.log(2 / alpha)
    return (math.sqrt(2 * variance * exponent) + exponent / 3) / n


def _dealt_variance(places: Ints, start: float, stop: float) -> float:
    """Return the variance per gold of the number of dealt golds in a range: that within the bins of complete decks."""
    square, mean = 0.0, np.zeros(DEPTH_BINS)
    for n, golds in zip(*np.unique(places, return_counts=True), strict=True):
        edges = np.arange(n + 1) / n
        inside = shares_inside(edges[:-1], edges[1:], start, stop)
        below = np.interp(np.arange(DEPTH_BINS + 1) / DEPTH_BINS, edges, np.append(0, np.cumsum(inside)) / n)
        square += golds * float((inside**2).mean())
        mean += golds * np.diff(below) * DEPTH_BINS
    within = square / len(places) - float(((mean / len(places)) ** 2).mean())
    return within * DEPTH_BINS / (DEPTH_BINS - 1)


def fixed_points(numbers: npt.NDArray[np.uint64]) -> Floats:
    """Map each number to a point in [0, 1), uniform over many numbers and the same in every audit (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2**53

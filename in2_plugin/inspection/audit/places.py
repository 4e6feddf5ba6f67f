"""Convert the places of gold segments to quantiles, so that all contexts can be tested together.

A build gives each gold of a context one of the places that earlier golds left, by the weights of `positions`. The place
covers a range of quantiles; a random point of that range is uniform in [0, 1) and independent of the other golds,
whatever the number of segments and golds. Cost: microseconds per thousand golds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from in2_plugin.config import Positions
from in2_plugin.examples.positions import place_weights
from in2_plugin.inspection.audit.statistics import Floats, Ints


@dataclass(frozen=True, slots=True)
class QuantileRanges:
    """Ranges [low, high) of quantiles, one per gold."""

    low: Floats
    high: Floats
    number: Ints
    """Number of earlier golds in the context."""
    misplaced: npt.NDArray[np.bool_]
    """True where `positions` allows no gold."""


def quantile_ranges(row: Ints, place: Ints, n_segments: Ints, positions: Positions) -> QuantileRanges:
    """Return the range of each gold.

    Args:
        row: (n_golds,) row of each gold, ascending; the golds of a row are in the order in which they were placed.
        place: (n_golds,) index of the gold among the segments of its context.
        n_segments: (n_golds,) segments of its context.
    """
    sizes, which = np.unique(n_segments, return_inverse=True)
    tables = [place_weights(positions, int(n)) for n in sizes]
    begins = np.cumsum([0, *sizes])[:-1]
    weights = np.concatenate([np.zeros(0), *tables])
    before = np.concatenate([np.zeros(0), *(np.cumsum(table) - table for table in tables)])
    at = begins[which] + place
    weight, below, left = weights[at], before[at], np.array([table.sum() for table in tables])[which]
    number = np.arange(len(row)) - np.searchsorted(row, row)
    for k in range(1, int(number.max(initial=0)) + 1):
        later = np.flatnonzero(number >= k)
        earlier = later - k
        left[later] -= weight[earlier]
        below[later] -= np.where(place[earlier] < place[later], weight[earlier], 0)
    fits = (weight > 0) & (left > 0)
    low, high = (
        np.clip(np.divide(edge, left, out=np.zeros_like(edge), where=fits), 0, 1) for edge in (below, below + weight)
    )
    return QuantileRanges(low, high, number, ~fits)

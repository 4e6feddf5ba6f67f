"""Draw gold positions and context lengths by stratified sampling.

The position of a gold is its place among the segments of its context, as in the paper, which shuffles segments, and in
the VAL probes, which count items. Shuffling is uniform on average. Dealing from decks fills every depth bin of every
length bucket equally by design; with a few thousand examples, independent draws leave visible gaps. Invariants: places
and lengths are uniform, or follow the histogram; draws depend only on the seed and the questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from math import ceil

import numpy as np
import numpy.typing as npt

from in2_plugin.config import Positions
from in2_plugin.errors import NotEnoughSegments
from in2_plugin.examples.fillers import Ids

Floats = npt.NDArray[np.float64]
LENGTH_BUCKETS = 8
DEPTH_BINS = 16


@dataclass(frozen=True, slots=True)
class Draw:
    """Length and gold places of one example."""

    length: float
    """Quantile of its length, in [0, 1)."""
    places: tuple[float, ...] | None
    """Quantile of the place of each gold segment among the places that are left, in [0, 1); None to shuffle."""


class Deck:
    """Deals the numbers below `n` in random order, repeatedly, each equally often."""

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self._n, self._rng = n, rng
        self._left: list[int] = []

    def deal(self) -> float:
        """Return a point in [0, 1), uniform within the next of `n` equal ranges."""
        if not self._left:
            self._left = self._rng.permutation(self._n).tolist()
        return (self._left.pop() + self._rng.random()) / self._n


class Dealer:
    """Deals lengths and places for the examples of one dataset, in order."""

    def __init__(self, positions: Positions, rng: np.random.Generator) -> None:
        self._positions, self._rng = positions, rng
        self._lengths = Deck(LENGTH_BUCKETS, rng)
        self._places: dict[tuple[int, int], Deck] = {}

    def deal(self, n_golds: int) -> Draw:
        """Return length and places of an example with `n_golds` gold segments."""
        if self._positions.strategy == "shuffle":
            return Draw(self._rng.random(), None)
        length = self._lengths.deal()
        bucket = int(length * LENGTH_BUCKETS)
        # one deck per gold of an example: with a common deck, two golds would avoid each other
        decks = [self._places.setdefault((bucket, i), Deck(DEPTH_BINS, self._rng)) for i in range(n_golds)]
        return Draw(length, tuple(deck.deal() for deck in decks))


@lru_cache(maxsize=4_096)
def place_weights(positions: Positions, n_segments: int) -> Floats:
    """Return (n_segments,) the weight of each place of a context for its first gold; all 1 if positions are uniform.

    A place outside `Positions.places` has weight 0; its share goes to the nearest place of the same range of depths.
    """
    histogram, n = positions.histogram, n_segments
    if len(set(histogram)) == 1:
        return np.ones(n)
    weights, bins = np.zeros(n), len(histogram)
    below = np.concatenate([[0.0], np.cumsum(histogram)]) / sum(histogram)
    for (start, stop), inside in zip(positions.ranges, positions.places(n), strict=True):
        places = np.arange(start * n // bins, -(-stop * n // bins))  # all that overlap the range
        edges = np.clip(np.append(places, places[-1] + 1) / n, start / bins, stop / bins)
        shares = np.diff(np.interp(edges, np.arange(bins + 1) / bins, below))
        np.add.at(weights, np.clip(places, inside[0], inside[-1]), shares)
    return weights


def arrange(
    golds: Sequence[int], others: Sequence[int], draw: Draw, positions: Positions, rng: np.random.Generator
) -> Ids:
    """Return segments in reading order: golds at their places, the others in random order.

    Each gold takes the place at its quantile in the weights of the places that are left. With uniform positions, every
    gold takes every place equally often, as with shuffling. Without quantiles, all segments are shuffled (paper,
    equations 1 and 2).

    Raises:
        NotEnoughSegments: the context has too few places at the intended depths.
    """
    if draw.places is None:
        return rng.permutation(np.array([*golds, *others], np.uint32))
    n = len(golds) + len(others)
    require_capacity(positions, n, len(golds))
    order = np.empty(n, np.uint32)
    free, weights = np.arange(n), place_weights(positions, n)
    for gold, quantile in zip(golds, draw.places, strict=True):
        below = np.cumsum(weights[free])
        at = int(np.searchsorted(below, quantile * below[-1], side="right"))
        order[free[at]] = gold
        free = np.delete(free, at)
    order[free] = rng.permutation(np.array(others, np.uint32))
    return order


def require_capacity(positions: Positions, n_segments: int, n_golds: int) -> None:
    """Raise unless a context can hold its gold segments at the intended depths.

    Raises:
        NotEnoughSegments: names what to change in the build file.
    """
    capacity = positions.capacity(n_segments)
    if n_golds <= capacity:
        return
    enough = next(n for n in count(n_segments + 1) if positions.capacity(n) >= n_golds)
    raise NotEnoughSegments(
        f"`positions: {positions.strategy}` has {capacity} places in a context of {n_segments} segments, too few for "
        f"its {n_golds} gold segments, which need a context of {enough} segments: multiply `lengths.min` by "
        f"{ceil(10 * enough / n_segments) / 10}, lower `questions_per_context`, or choose other `positions`; "
        "`in2 build --extend` keeps all questions"
    )

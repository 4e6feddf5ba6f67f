"""Where gold segments stand and how long contexts are, as quantiles that are dealt so that all come up equally often.

The paper shuffles (uniform on average). Dealing from decks makes every depth bin of every length bucket equally full
by design: with a few thousand examples chance alone leaves visible dents. Invariants: each depth and each length is
uniform, or as the histogram says, whatever the deck; what is dealt depends on the seed and the questions alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from in2_plugin.config import Positions
from in2_plugin.examples.fillers import Ids

LENGTH_BUCKETS = 8
DEPTH_BINS = 16


@dataclass(frozen=True, slots=True)
class Draw:
    """Where one example lies in the whole."""

    length: float
    """Quantile of its length, in [0, 1)."""
    depths: tuple[float, ...] | None
    """Depth of each gold segment, in [0, 1); None leaves them to chance."""


class Deck:
    """Deals the numbers below `n` in random order, again and again, each equally often."""

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self._n, self._rng = n, rng
        self._left: list[int] = []

    def deal(self) -> float:
        """A point in [0, 1): uniform inside the next of `n` equal ranges."""
        if not self._left:
            self._left = self._rng.permutation(self._n).tolist()
        return (self._left.pop() + self._rng.random()) / self._n


class Dealer:
    """Deals lengths and depths for the examples of one dataset, in their order."""

    def __init__(self, positions: Positions, rng: np.random.Generator) -> None:
        self._positions, self._rng = positions, rng
        self._lengths = Deck(LENGTH_BUCKETS, rng)
        self._depths: dict[tuple[int, int], Deck] = {}

    def deal(self, n_golds: int) -> Draw:
        """Length and depths for an example with so many gold segments."""
        if self._positions.strategy == "shuffle":
            return Draw(self._rng.random(), None)
        length = self._lengths.deal()
        bucket = int(length * LENGTH_BUCKETS)
        # each gold of an example has a deck of its own: dealt from one, two golds would avoid each other
        decks = [self._depths.setdefault((bucket, i), Deck(DEPTH_BINS, self._rng)) for i in range(n_golds)]
        return Draw(length, tuple(quantile(self._positions.histogram, deck.deal()) for deck in decks))


def quantile(weights: Sequence[float], share: float) -> float:
    """The depth below which `share` of the golds stand, when equal ranges of depth have these weights."""
    edges = np.concatenate([[0.0], np.cumsum(weights)]) / sum(weights)
    # beyond the last range with any weight the curve is flat, and interpolation would not know which end is meant
    i = min(int(np.searchsorted(edges, share, side="right")) - 1, len(weights) - 1)
    return float((i + (share - edges[i]) / (edges[i + 1] - edges[i])) / len(weights))


def arranged(
    golds: Sequence[int], others: Sequence[int], depths: Sequence[float] | None, rng: np.random.Generator
) -> Ids:
    """Segments in reading order: the others in random order, and each gold at the place that its depth says.

    Of n places, the first gold gets number floor(depth * n), the next one its share of the places that are left, and
    so on: uniform depths so give every gold every place equally often, as shuffling does. Without depths, all are
    shuffled together (paper, equations 1 and 2).
    """
    if depths is None:
        return rng.permutation(np.array([*golds, *others], np.uint32))
    n = len(golds) + len(others)
    order = np.empty(n, np.uint32)
    free = np.arange(n)
    for gold, depth in zip(golds, depths, strict=True):
        at = int(depth * len(free))
        order[free[at]] = gold
        free = np.delete(free, at)
    order[free] = rng.permutation(np.array(others, np.uint32))
    return order

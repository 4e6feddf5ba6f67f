"""Draw gold positions and context lengths by stratified sampling.

The paper shuffles, which is uniform on average. Dealing from decks fills every depth bin of every length bucket equally
by design; with a few thousand examples, independent draws leave visible gaps. Invariants: depths and lengths are
uniform, or follow the histogram; draws depend only on the seed and the questions.
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
    """Length and gold positions of one example."""

    length: float
    """Quantile of its length, in [0, 1)."""
    depths: tuple[float, ...] | None
    """Depth of each gold segment, in [0, 1); None for random positions."""


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
    """Deals lengths and depths for the examples of one dataset, in order."""

    def __init__(self, positions: Positions, rng: np.random.Generator) -> None:
        self._positions, self._rng = positions, rng
        self._lengths = Deck(LENGTH_BUCKETS, rng)
        self._depths: dict[tuple[int, int], Deck] = {}

    def deal(self, n_golds: int) -> Draw:
        """Return length and depths of an example with `n_golds` gold segments."""
        if self._positions.strategy == "shuffle":
            return Draw(self._rng.random(), None)
        length = self._lengths.deal()
        bucket = int(length * LENGTH_BUCKETS)
        # one deck per gold of an example: with a common deck, two golds would avoid each other
        decks = [self._depths.setdefault((bucket, i), Deck(DEPTH_BINS, self._rng)) for i in range(n_golds)]
        return Draw(length, tuple(quantile(self._positions.histogram, deck.deal()) for deck in decks))


def quantile(weights: Sequence[float], share: float) -> float:
    """Return the quantile of `share` in a histogram over depth, given as weights of equal ranges."""
    edges = np.concatenate([[0.0], np.cumsum(weights)]) / sum(weights)
    # after the last range of positive weight the distribution function is flat, and np.interp is ambiguous
    i = min(int(np.searchsorted(edges, share, side="right")) - 1, len(weights) - 1)
    return float((i + (share - edges[i]) / (edges[i + 1] - edges[i])) / len(weights))


def arrange(
    golds: Sequence[int], others: Sequence[int], depths: Sequence[float] | None, rng: np.random.Generator
) -> Ids:
    """Return segments in reading order: golds at the places of their depths, the others in random order.

    Of n places, the first gold takes number floor(depth * n), the second takes the same share of the remaining places,
    and so on. With uniform depths, every gold takes every place equally often, as with shuffling. Without depths, all
    segments are shuffled (paper, equations 1 and 2).
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

"""Quantiles of places are uniform and independent, for any context, number of golds and strategy."""

import numpy as np
import pytest
from scipy import stats

from in2_plugin.config import Positions
from in2_plugin.examples.positions import Dealer, arrange
from in2_plugin.inspection.audit.places import quantile_ranges


def ranges_of(rows, positions):
    """Return the ranges of contexts, given as (places of the golds, number of segments)."""
    row = np.repeat(np.arange(len(rows)), [len(places) for places, _ in rows])
    place = np.array([place for places, _ in rows for place in places], np.int64)
    return quantile_ranges(row, place, np.array([n for _, n in rows])[row], positions)


def test_the_second_gold_has_its_quantile_among_the_places_that_are_left():
    found = ranges_of([((2, 0), 4), ((0, 3), 4), ((1,), 2)], Positions())
    assert found.low == pytest.approx([2 / 4, 0, 0, 2 / 3, 1 / 2])
    assert found.high == pytest.approx([3 / 4, 1 / 3, 1 / 4, 1, 1])
    assert found.number.tolist() == [0, 1, 0, 1, 0]
    assert not found.misplaced.any()


def test_golds_where_positions_allows_none_are_misplaced():
    found = ranges_of([((0, 7), 8), ((7, 6), 8), ((3,), 8), ((0, 7, 1), 8)], Positions(strategy="edges"))
    assert found.misplaced.tolist() == [False, False, False, True, True, False, False, True]
    assert found.low[:3] == pytest.approx([0, 0, 0.5])
    assert found.high[:3] == pytest.approx([0.5, 1, 1])


def test_no_golds_have_no_ranges():
    assert len(ranges_of([], Positions()).low) == 0


@pytest.mark.parametrize("strategy", ["shuffle", "stratified", "edges", "middle", "histogram"])
@pytest.mark.parametrize("n_golds", [1, 2, 4])
def test_quantiles_of_arranged_contexts_are_uniform_and_independent(strategy, n_golds):
    weights = (3, 0, 1, 2) if strategy == "histogram" else ()
    positions, rng = Positions(strategy=strategy, weights=weights), np.random.default_rng([5, n_golds])
    dealer, rows = Dealer(positions, rng), []
    for _ in range(3_000):
        n = int(rng.integers(20, 40))
        order = arrange(range(n_golds), range(100, 100 + n - n_golds), dealer.deal(n_golds), positions, rng).tolist()
        rows.append(([order.index(gold) for gold in range(n_golds)], n))
    found = ranges_of(rows, positions)
    assert not found.misplaced.any()
    points = (found.low + rng.random(len(found.low)) * (found.high - found.low)).reshape(-1, n_golds)
    for golds in points.T:
        assert stats.kstest(golds, "uniform").pvalue > 1e-3
    if n_golds > 1:
        assert abs(stats.spearmanr(points[:, 0], points[:, 1]).statistic) < 3.5 / np.sqrt(len(points))

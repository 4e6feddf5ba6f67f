"""Every depth and every length occurs equally often, separately and jointly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.config import Positions
from in2_plugin.examples.positions import DEPTH_BINS, LENGTH_BUCKETS, Dealer, Deck, arrange, quantile


def dealt(strategy, n, golds=1, **changes):
    dealer = Dealer(Positions(strategy=strategy, **changes), np.random.default_rng(3))
    return [dealer.deal(golds) for _ in range(n)]


@given(st.integers(1, 40), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_a_deck_deals_every_range_equally_often(n, cards, seed):
    deck = Deck(n, np.random.default_rng(seed))
    points = [deck.deal() for _ in range(cards)]
    counts = np.bincount([int(point * n) for point in points], minlength=n)
    assert counts.sum() == cards and counts.max() - counts.min() <= 1


def test_stratified_fills_every_depth_of_every_length_equally():
    draws = dealt("stratified", 10 * LENGTH_BUCKETS * DEPTH_BINS)
    cells = np.zeros((LENGTH_BUCKETS, DEPTH_BINS), int)
    for draw in draws:
        cells[int(draw.length * LENGTH_BUCKETS), int(draw.depths[0] * DEPTH_BINS)] += 1
    assert (cells == 10).all()


def test_golds_of_a_question_have_independent_depths():
    depths = np.array([draw.depths for draw in dealt("stratified", 20_000, golds=2)])
    for own in depths.T:
        assert np.ptp(np.histogram(own, bins=DEPTH_BINS, range=(0, 1))[0]) <= LENGTH_BUCKETS
    distances = np.sort(np.abs(depths[:, 0] - depths[:, 1]))
    expected = 2 * distances - distances**2  # of two independent uniform points
    steps = np.arange(1, len(distances) + 1) / len(distances)
    # Kolmogorov-Smirnov: 1.95 / sqrt(n) is the 99.9th percentile
    assert np.abs(expected - steps).max() < 1.95 / np.sqrt(len(distances))


def test_shuffling_gives_random_depths():
    draws = dealt("shuffle", 3_000)
    assert all(draw.depths is None for draw in draws)
    lengths = np.sort([draw.length for draw in draws])
    assert np.abs(lengths - np.arange(1, 3_001) / 3_000).max() < 1.95 / np.sqrt(3_000)


@pytest.mark.parametrize(
    ("strategy", "changes", "expected"),
    [
        ("edges", {}, [0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0.5]),
        ("middle", {}, [0, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0]),
        ("histogram", {"weights": (1, 0, 3)}, None),
    ],
)
def test_depths_follow_the_histogram(strategy, changes, expected):
    depths = [draw.depths[0] for draw in dealt(strategy, 2_560, **changes)]
    if expected is None:
        assert np.histogram(depths, bins=3, range=(0, 1))[0].tolist() == [640, 0, 1_920]
    else:
        assert (np.histogram(depths, bins=10, range=(0, 1))[0] / 2_560 == expected).all()


@given(
    st.lists(st.floats(0, 9), min_size=1, max_size=6).filter(lambda w: sum(w) > 0.01), st.floats(0, 1, exclude_max=True)
)
def test_a_quantile_is_in_a_range_of_positive_weight(weights, share):
    depth = quantile(weights, share)
    assert 0 <= depth <= 1
    assert weights[min(int(depth * len(weights)), len(weights) - 1)] > 0 or depth * len(weights) % 1 < 1e-6


@given(st.integers(0, 4), st.integers(0, 30), st.integers(0, 2**32 - 1), st.booleans())
def test_arranging_keeps_every_segment(golds, others, seed, by_depth):
    if golds + others == 0:
        return
    rng = np.random.default_rng(seed)
    depths = rng.random(golds).tolist() if by_depth else None
    order = arrange(range(golds), range(100, 100 + others), depths, rng)
    assert sorted(order.tolist()) == [*range(golds), *range(100, 100 + others)]


def test_a_single_gold_is_at_its_depth():
    rng = np.random.default_rng(0)
    for depth, place in ((0.0, 0), (0.099, 0), (0.1, 1), (0.55, 5), (0.999, 9)):
        assert arrange([99], range(9), [depth], rng).tolist().index(99) == place


@pytest.mark.parametrize("by_depth", [True, False])
def test_every_gold_takes_every_place_equally_often(by_depth):
    rng = np.random.default_rng(1)
    places = np.zeros((3, 8), int)
    for _ in range(8_000):
        order = arrange([0, 1, 2], range(10, 15), rng.random(3).tolist() if by_depth else None, rng).tolist()
        for gold in range(3):
            places[gold, order.index(gold)] += 1
    # chi-square with 7 degrees of freedom: 24.3 is the 99.9th percentile
    assert (((places - 1_000) ** 2 / 1_000).sum(axis=1) < 24.3).all()

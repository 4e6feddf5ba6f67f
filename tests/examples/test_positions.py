"""Every depth and every length occurs equally often, separately and jointly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.config import Positions
from in2_plugin.errors import NotEnoughSegments
from in2_plugin.examples.positions import (
    DEPTH_BINS,
    LENGTH_BUCKETS,
    Dealer,
    Deck,
    Draw,
    arrange,
    place_weights,
    require_capacity,
)

UNIFORM = Positions()


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
        cells[int(draw.length * LENGTH_BUCKETS), int(draw.places[0] * DEPTH_BINS)] += 1
    assert (cells == 10).all()


def test_golds_of_a_question_have_independent_places():
    depths = np.array([draw.places for draw in dealt("stratified", 20_000, golds=2)])
    for own in depths.T:
        assert np.ptp(np.histogram(own, bins=DEPTH_BINS, range=(0, 1))[0]) <= LENGTH_BUCKETS
    distances = np.sort(np.abs(depths[:, 0] - depths[:, 1]))
    expected = 2 * distances - distances**2  # of two independent uniform points
    steps = np.arange(1, len(distances) + 1) / len(distances)
    # Kolmogorov-Smirnov: 1.95 / sqrt(n) is the 99.9th percentile
    assert np.abs(expected - steps).max() < 1.95 / np.sqrt(len(distances))


def test_shuffling_gives_random_places():
    draws = dealt("shuffle", 3_000)
    assert all(draw.places is None for draw in draws)
    lengths = np.sort([draw.length for draw in draws])
    assert np.abs(lengths - np.arange(1, 3_001) / 3_000).max() < 1.95 / np.sqrt(3_000)


@pytest.mark.parametrize(
    ("strategy", "n_segments", "expected"),
    [
        ("edges", 20, {0: 0.25, 1: 0.25, 18: 0.25, 19: 0.25}),
        ("edges", 8, {0: 0.5, 7: 0.5}),
        ("edges", 11, {0: 0.5, 10: 0.5}),  # the next places are in a tenth only by a tenth of themselves
        ("middle", 10, {4: 0.5, 5: 0.5}),
        ("middle", 4, {2: 1}),
    ],
)
def test_places_follow_the_histogram(strategy, n_segments, expected):
    weights = place_weights(Positions(strategy=strategy), n_segments)
    assert dict(enumerate(weights.tolist())) == pytest.approx({i: expected.get(i, 0) for i in range(n_segments)})


def test_a_place_across_two_ranges_has_a_share_of_both():
    weights = place_weights(Positions(strategy="histogram", weights=(3, 1, 2)), 4)
    assert weights * 6 == pytest.approx([3 * 3 / 4, 3 / 4 + 1 / 2, 1 / 2 + 2 / 4, 2 * 3 / 4])
    assert place_weights(Positions(strategy="histogram", weights=(2, 2)), 3).tolist() == [1, 1, 1]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8).filter(any).map(tuple), st.integers(1, 60))
def test_weights_are_positive_at_the_allowed_places_only(histogram, n_segments):
    positions = Positions(strategy="histogram", weights=histogram)
    weights = place_weights(positions, n_segments)
    assert set(np.flatnonzero(weights).tolist()) == set().union(*positions.places(n_segments))
    assert weights.sum() == pytest.approx(n_segments if len(set(histogram)) == 1 else 1)


def arranged(golds, others, places, rng, positions=UNIFORM):
    return arrange(golds, others, Draw(0.0, None if places is None else tuple(places)), positions, rng).tolist()


@pytest.mark.parametrize(("strategy", "n_segments"), [("edges", 15), ("edges", 40), ("middle", 20)])
def test_several_golds_are_all_at_the_intended_depths(strategy, n_segments):
    rng, positions = np.random.default_rng(2), Positions(strategy=strategy)
    allowed = set().union(*positions.places(n_segments))
    dealer = Dealer(positions, rng)
    for _ in range(200):
        order = arranged(range(4), range(100, 96 + n_segments), dealer.deal(4).places, rng, positions)
        assert {order.index(gold) for gold in range(4)} <= allowed


def test_a_context_without_room_for_its_golds_is_an_error_that_says_what_to_change():
    rng, positions = np.random.default_rng(2), Positions(strategy="edges")
    with pytest.raises(NotEnoughSegments) as failure:
        arranged(range(4), range(100, 108), rng.random(4), rng, positions)
    assert "has 2 places in a context of 12 segments, too few for its 4 gold segments" in str(failure.value)
    assert "multiply `lengths.min` by 1.3, lower `questions_per_context`" in str(failure.value)
    require_capacity(positions, 15, 4)
    require_capacity(UNIFORM, 4, 4)


@given(st.integers(0, 4), st.integers(0, 30), st.integers(0, 2**32 - 1), st.booleans())
def test_arranging_keeps_every_segment(golds, others, seed, by_depth):
    if golds + others == 0:
        return
    rng = np.random.default_rng(seed)
    places = rng.random(golds) if by_depth else None
    order = arranged(range(golds), range(100, 100 + others), places, rng)
    assert sorted(order) == [*range(golds), *range(100, 100 + others)]


def test_a_single_gold_is_at_its_depth():
    rng = np.random.default_rng(0)
    for depth, place in ((0.0, 0), (0.099, 0), (0.1, 1), (0.55, 5), (0.999, 9)):
        assert arranged([99], range(9), [depth], rng).index(99) == place


@pytest.mark.parametrize("by_depth", [True, False])
def test_every_gold_takes_every_place_equally_often(by_depth):
    rng = np.random.default_rng(1)
    places = np.zeros((3, 8), int)
    for _ in range(8_000):
        order = arranged([0, 1, 2], range(10, 15), rng.random(3) if by_depth else None, rng)
        for gold in range(3):
            places[gold, order.index(gold)] += 1
    # chi-square with 7 degrees of freedom: 24.3 is the 99.9th percentile
    assert (((places - 1_000) ** 2 / 1_000).sum(axis=1) < 24.3).all()

import tracemalloc

import numpy as np
import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.scoring.curves import curve_from_positions
from in2_plugin.probing.scoring.scores import SetScores
from in2_plugin.probing.scoring.statistics import (
    ScorePair,
    bootstrap,
    difference,
    effective_length,
    flat_gap,
    mean_interval,
)

STEEP = np.concatenate([np.linspace(0.95, 0.2, 8), np.linspace(0.2, 0.95, 8)])
FLAT = np.full(16, 0.85)


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(curve, seed, items=200, n_sets=4):
    """Right or wrong answers with the chances of `curve`."""
    random = rng(seed)
    chances = np.asarray(curve)[np.arange(items) * len(curve) // items]
    answers = [(random.random(items) < chances).astype(float).tolist() for _ in range(n_sets)]
    return tuple(SetScores(i, items, tuple(range(items)), tuple(scores)) for i, scores in enumerate(answers))


def one_set(scores, n_positions=None):
    return (SetScores(0, n_positions or len(scores), tuple(range(len(scores))), tuple(scores)),)


def aggregated(sets, n_spans):
    rows = [(s, p, one.n_positions, one.set) for one in sets for p, s in zip(one.positions, one.scores, strict=True)]
    return curve_from_positions(rows, n_spans)


def inside(limits, value):
    return limits[0] - 1e-9 <= value <= limits[1] + 1e-9


def test_intervals_lie_around_the_measured_curve():
    sets = drawn(STEEP, 1)
    measured, found = aggregated(sets, 16), bootstrap(sets, 16, rng(), 500)
    assert inside(found.avg, measured.avg)
    assert inside(found.gap, measured.gap)
    assert all(inside(limits, value) for limits, value in zip(found.spans, measured.spans, strict=True))


def test_an_interval_of_right_and_wrong_answers_is_that_of_a_binomial():
    low, high = bootstrap(one_set([1.0] * 80 + [0.0] * 20), 1, rng(), 20_000).avg
    # with n - 1 draws the standard deviation is sqrt(0.8 * 0.2 / 99)
    assert (high - low) / 2 == pytest.approx(1.96 * (0.16 / 99) ** 0.5, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("curve", "lowest"), [(STEEP, 0.92), (FLAT, 0.92)])
def test_intervals_hold_the_truth_as_often_as_they_say(curve, lowest):
    found = [bootstrap(drawn(curve, seed), 16, rng(1), 400) for seed in range(200)]
    assert np.mean([inside(one.avg, curve.mean()) for one in found]) >= lowest
    assert np.mean([inside(one.gap, np.ptp(curve)) for one in found]) >= 0.95
    spans = [inside(limits, truth) for one in found for limits, truth in zip(one.spans, curve, strict=True)]
    assert np.mean(spans) > 0.88  # 50 right or wrong answers a span: a little under 95%, as for any such interval


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(STEEP, FLAT), (FLAT, FLAT), (FLAT, FLAT + 0.1)])
def test_intervals_of_differences_hold_the_truth(before, after):
    pairs = [ScorePair(drawn(before, seed), drawn(after, seed + 10_000), 16) for seed in range(100)]
    found = [difference([pair], rng(1), 400) for pair in pairs]
    assert np.mean([inside(one.avg_interval, (after - before).mean()) for one in found]) >= 0.88
    assert np.mean([inside(one.gap_interval, np.ptp(after) - np.ptp(before)) for one in found]) >= 0.95


def test_spans_without_questions_have_no_interval_and_count_nowhere():
    found = bootstrap((SetScores(0, 4, (0, 1), (1.0, 0.0)),), 2, rng(), 200)
    assert found.spans[1] is None
    assert found.avg == found.spans[0]
    assert found.gap == (0.0, 0.0)


def test_a_single_question_in_a_span_says_nothing_about_chance():
    found = bootstrap(one_set([1.0, 0.0]), 2, rng(), 200)
    assert (found.spans, found.avg, found.gap) == ((None, None), None, None)


def test_one_question_a_set_borrows_from_the_span():
    sets = tuple(SetScores(i, 1, (0,), (score,)) for i, score in enumerate((1.0, 0.0, 1.0, 0.0)))
    low, high = bootstrap(sets, 1, rng(), 2_000).avg
    assert 0 <= low < 0.25
    assert 0.75 < high <= 1


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_equal_answers_are_not_certain(score):
    few, many = (bootstrap(one_set([score] * n), 4, rng(), 500) for n in (80, 4_000))
    for found in (few, many):
        assert inside(found.avg, score)
        assert found.avg[1] - found.avg[0] > 0
        assert found.gap[0] == 0 < found.gap[1]
    # the interval of Wilson for 20 equal answers is 16 points wide
    assert 0.05 < few.spans[0][1] - few.spans[0][0] < 0.16
    assert many.avg[1] - many.avg[0] < 0.005


def test_equal_generators_give_equal_results():
    sets = drawn(STEEP, 1)
    assert bootstrap(sets, 16, rng(3), 100) == bootstrap(sets, 16, rng(3), 100)
    assert bootstrap(sets, 16, rng(3), 100) != bootstrap(sets, 16, rng(4), 100)
    assert flat_gap(sets, 16, rng(3), 100) == flat_gap(sets, 16, rng(3), 100)


@pytest.mark.parametrize("function", [bootstrap, flat_gap])
def test_nothing_scored(function):
    with pytest.raises(ProbeError, match="no question was scored"):
        function((), 16, rng(), 10)


@pytest.mark.parametrize(("average", "expected", "percentile_95"), [(0.85, 8.9, 12.2), (0.95, 5.3, 7.7)])
def test_known_gaps_of_a_flat_model(average, expected, percentile_95):
    """15 spans of 196 answers, from an independent binomial simulation."""
    right = round(49 * 15 * average)
    sets = tuple(SetScores(i, 735, tuple(range(735)), (1.0,) * right + (0.0,) * (735 - right)) for i in range(4))
    found = flat_gap(sets, 15, rng(), 4_000)
    assert 100 * found.expected == pytest.approx(expected, abs=0.4)
    assert 100 * found.percentile_95 == pytest.approx(percentile_95, abs=0.6)


def test_two_answers_are_exact():
    found = flat_gap(one_set([1.0, 0.0]), 2, rng(), 100)
    assert (found.expected, found.percentile_95, found.at_least, found.p_value) == (1.0, 1.0, 100, 1.0)


def test_graded_answers_vary_less_than_right_or_wrong_ones():
    random = rng(5)
    graded = tuple(SetScores(i, 320, tuple(range(320)), tuple(random.uniform(0.4, 0.6, 320))) for i in range(4))
    assert flat_gap(graded, 16, rng(), 500).expected < flat_gap(drawn([0.5] * 16, 5, 320), 16, rng(), 500).expected / 4


def test_graded_and_binary_shuffles_agree():
    """A third value so near to 1 that it changes nothing takes the other way of shuffling."""
    sets = drawn(FLAT, 2)
    nudged = tuple(
        SetScores(
            one.set, one.n_positions, one.positions, tuple(s - 1e-9 * (i % 2) * s for i, s in enumerate(one.scores))
        )
        for one in sets
    )
    binary, graded = flat_gap(sets, 16, rng(), 3_000), flat_gap(nudged, 16, rng(), 3_000)
    assert graded.expected == pytest.approx(binary.expected, abs=0.002)
    assert graded.percentile_95 == pytest.approx(binary.percentile_95, abs=0.006)


def test_a_steep_curve_is_no_chance_and_a_flat_one_is():
    steep = flat_gap(drawn(STEEP, 3), 16, rng(), 500)
    assert (steep.at_least, steep.p_value) == (0, 1 / 501)
    ps = [flat_gap(drawn(FLAT, seed), 16, rng(), 200).p_value for seed in range(40)]
    assert 0.3 < np.mean(ps) < 0.7


def test_empty_sets_and_spans_do_not_disturb_the_noise_floor():
    sets = (*drawn(FLAT, 1, items=100), SetScores(4, 100, (), ()))
    assert flat_gap(sets, 16, rng(), 100) == flat_gap(sets[:4], 16, rng(), 100)
    half = tuple(SetScores(one.set, 200, one.positions, one.scores) for one in sets[:4])
    assert flat_gap(half, 32, rng(), 100) == flat_gap(sets[:4], 16, rng(), 100)


def test_the_same_questions_give_a_narrower_difference():
    before = drawn(STEEP, 7)
    better = [tuple(max(s, float(i % 10 == 0)) for i, s in enumerate(one.scores)) for one in before]
    after = tuple(
        SetScores(i, 200, one.positions, scores) for i, (one, scores) in enumerate(zip(before, better, strict=True))
    )
    pair = [ScorePair(before, after, 16)]
    paired, unpaired = difference(pair, rng(), 500), difference(pair, rng(), 500, paired=False)
    assert (paired.is_paired, unpaired.is_paired) == (True, False)
    assert paired.avg == pytest.approx(aggregated(after, 16).avg - aggregated(before, 16).avg)
    assert paired.gap == pytest.approx(aggregated(after, 16).gap - aggregated(before, 16).gap)
    width, wide = (one.avg_interval[1] - one.avg_interval[0] for one in (paired, unpaired))
    assert width < wide / 2


def test_other_positions_are_not_paired():
    found = difference([ScorePair(drawn(FLAT, 1, 200), drawn(FLAT, 2, 160), 16)], rng(), 100)
    assert not found.is_paired
    assert inside(found.avg_interval, found.avg)


def test_a_difference_over_several_probes_is_their_mean():
    first, second = (ScorePair(drawn(STEEP, i), drawn(FLAT, i + 9), 16) for i in (1, 2))
    singles = [difference([pair], rng(), 50) for pair in (first, second)]
    both = difference([first, second], rng(), 50)
    assert both.avg == pytest.approx(np.mean([one.avg for one in singles]))
    assert both.gap == pytest.approx(np.mean([one.gap for one in singles]))


def test_a_difference_without_a_known_chance_has_no_interval():
    found = difference([ScorePair(one_set([1.0, 0.0]), one_set([0.0, 0.0]), 2)], rng(), 50)
    assert (found.avg, found.avg_interval, found.gap, found.gap_interval) == (-0.5, None, -1.0, None)


def test_the_mean_of_probes_is_surer_than_one():
    sets = drawn(FLAT, 1)
    low, high = bootstrap(sets, 16, rng(), 1_000).avg
    mean_low, mean_high = mean_interval([(sets, 16), (drawn(FLAT, 2), 16), (drawn(FLAT, 3), 15)], rng(), 1_000)
    assert mean_high - mean_low < 0.75 * (high - low)
    assert mean_interval([(sets, 16), (one_set([1.0]), 1)], rng(), 50) is None


@pytest.mark.parametrize(
    ("scores", "length"),
    [
        ({4096: 0.9, 8192: 0.8, 16384: 0.7}, 8192),
        ({16384: 0.765, 4096: 0.9, 8192: 0.8}, 16384),  # exactly 85%
        ({4096: 0.9, 8192: 0.5, 16384: 0.9}, 4096),  # a shorter one must hold too
        ({4096: 0.0, 8192: 0.0}, 8192),
        ({4096: 0.9}, None),
        ({}, None),
    ],
)
def test_effective_length(scores, length):
    assert effective_length(scores) == length


def test_another_share():
    assert effective_length({1: 1.0, 2: 0.5, 3: 0.4}, share=0.5) == 2


def test_large_probes_stay_small_in_memory():
    random = rng(1)
    sets = tuple(SetScores(i, 3_200, tuple(range(3_200)), tuple(random.integers(0, 21, 3_200) / 20)) for i in range(4))
    tracemalloc.start()
    bootstrap(sets, 16, rng(), 2_000)
    flat_gap(sets, 16, rng(), 2_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6

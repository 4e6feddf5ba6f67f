import numpy as np
import pytest

from in2_plugin.probing.scoring.dip import curve_effect, measured_dip, position_change, position_effect
from in2_plugin.probing.scoring.scores import SetScores
from in2_plugin.probing.scoring.statistics import ScorePair

FLAT = np.full(5, 0.8)
LOST = np.array([0.9, 0.6, 0.4, 0.6, 0.9])
"""Score by fifth of the depth: ends minus middle is 0.3667."""
DIP_OF_LOST = 0.9 - 1.6 / 3


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(fifths, seed, items=100, n_sets=4, between=0.0):
    """Right or wrong answers; `between` is the standard deviation of the dip between contexts."""
    random = rng(seed)
    sets = []
    for index in range(n_sets):
        effect = random.normal(0, between) * np.array([0.6, -0.4, -0.4, -0.4, 0.6])
        chances = np.clip(fifths + effect, 0, 1)[np.arange(items) * 5 // items]
        sets.append(SetScores(index, items, tuple(range(items)), tuple((random.random(items) < chances).astype(float))))
    return tuple(sets)


def equal(score, items=100, n_sets=4):
    return tuple(SetScores(i, items, tuple(range(items)), (score,) * items) for i in range(n_sets))


def holds(estimate, truth):
    return estimate.interval[0] - 1e-9 <= truth <= estimate.interval[1] + 1e-9


def test_dip_slope_and_middle_by_hand():
    scores = (1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.5, 0.5, 0.0, 0.0)
    found = position_effect([(SetScores(0, 10, tuple(range(10)), scores),)], rng(), 200)
    assert found.dip.value == pytest.approx((1.0 + 0.0) / 2 - (0.5 + 0.25 + 0.5) / 3)
    assert found.middle.value == pytest.approx((0.5 + 0.25 + 0.5) / 3)
    # least squares through 1, .5, .25, .5, 0 at depths .1, .3, .5, .7, .9
    assert found.slope.value == pytest.approx(np.polyfit([0.1, 0.3, 0.5, 0.7, 0.9], [1, 0.5, 0.25, 0.5, 0], 1)[0])
    assert measured_dip((SetScores(0, 10, tuple(range(10)), scores),)) == pytest.approx(found.dip.value)


@pytest.mark.parametrize("n", [5, 6, 7, 8, 9, 10, 11, 13])
def test_a_symmetric_curve_over_any_number_of_depths_has_no_slope(n):
    scores = [1.0 if depth in (0, n - 1) else 0.5 if depth in (1, n - 2) else 0.25 for depth in range(n)]
    sets = tuple(SetScores(question, n, tuple(range(n)), tuple(scores)) for question in range(8))
    found = position_effect([sets], rng(), 200, by_question=True)
    assert found.slope.value == pytest.approx(0.0) and found.dip.value > 0.3
    assert measured_dip(sets, by_question=True) == pytest.approx(found.dip.value)
    half = tuple(SetScores(one.set, n, one.positions, tuple(score / 2 for score in one.scores)) for one in sets)
    change = position_change([ScorePair(sets, half, n)], rng(), 200, by_question=True)
    assert change.slope.value == pytest.approx(0.0) and change.dip.value == pytest.approx(-found.dip.value / 2)
    assert change.slope.interval[0] < 0 < change.slope.interval[1]


def test_contexts_weigh_the_same_however_many_questions_they_have():
    flat, lost = equal(1.0, items=50, n_sets=1), (SetScores(1, 5, (0, 1, 2, 3, 4), (1.0, 0.0, 0.0, 0.0, 1.0)),)
    assert measured_dip((*flat, *lost)) == pytest.approx(0.5)


def test_a_curve_has_a_dip_without_an_interval():
    found = curve_effect([0.9] * 2 + [0.4] * 6 + [0.9] * 2)
    assert found.dip.value == pytest.approx(0.5)
    assert (found.dip.interval, found.slope.value) == (None, pytest.approx(0.0))
    # of 16 spans, 3.2 are in each fifth
    assert curve_effect([0.9] * 4 + [0.4] * 8 + [0.9] * 4).dip.value == pytest.approx(0.5 * (1 - (0.8 + 0.8) / 9.6))
    assert curve_effect([None] * 4 + [0.4] * 12) is None
    assert curve_effect([None, *[0.4] * 15]).dip.value == pytest.approx(0.0)


@pytest.mark.parametrize("score", [0.0, 0.35, 1.0])
def test_equal_answers_are_not_certain(score):
    few, many = (position_effect([equal(score, items)], rng(), 1_000).dip for items in (20, 800))
    for dip in (few, many):
        assert dip.value == pytest.approx(0.0)
        assert dip.interval[0] < 0 < dip.interval[1]
    assert many.interval[1] < 0.02 < few.interval[1]


def test_a_fifth_without_questions_has_no_dip():
    half = tuple(SetScores(i, 100, tuple(range(50)), (1.0,) * 50) for i in range(4))
    assert measured_dip(half) is None
    assert position_effect([half], rng(), 100) is None
    assert position_change([ScorePair(half, half, 16)], rng(), 100) is None


def test_a_single_question_in_a_fifth_gives_no_interval():
    found = position_effect([(SetScores(0, 5, (0, 1, 2, 3, 4), (1.0, 0.0, 0.0, 0.0, 1.0)),)], rng(), 100)
    assert (found.dip.value, found.dip.interval) == (1.0, None)
    assert not found.dip.above_zero and not found.dip.below_zero


def test_nothing_scored_has_no_dip():
    assert position_effect([()], rng(), 10) is None
    assert measured_dip(()) is None


def test_equal_generators_give_equal_results():
    sets = drawn(LOST, 1)
    assert position_effect([sets], rng(3), 200) == position_effect([sets], rng(3), 200)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fifths", "between", "n_sets"),
    [(FLAT, 0.0, 4), (LOST, 0.0, 4), (LOST, 0.05, 4), (FLAT - 0.3, 0.1, 4), (FLAT, 0.0, 1), (LOST, 0.1, 8)],
)
def test_intervals_hold_the_truth_as_often_as_they_say(fifths, between, n_sets):
    """400 runs: the standard error of a coverage of 95% is 1.1 points."""
    truth = (fifths[0] + fifths[4]) / 2 - fifths[1:4].mean()
    found = [position_effect([drawn(fifths, seed, 100, n_sets, between)], rng(seed), 300) for seed in range(400)]
    assert np.mean([holds(one.dip, truth) for one in found]) >= 0.93
    assert np.mean([holds(one.slope, 0.0) for one in found]) >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize(("score", "between"), [(0.5, 0.0), (0.95, 0.0), (0.02, 0.0), (0.5, 0.1)])
def test_a_model_without_a_dip_is_rarely_said_to_have_one(score, between):
    found = [position_effect([drawn(np.full(5, score), seed, 100, 4, between)], rng(seed), 300) for seed in range(400)]
    assert np.mean([one.dip.above_zero or one.dip.below_zero for one in found]) <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
def test_equal_models_are_rarely_said_to_differ(paired):
    """The second model answers a tenth of the same questions otherwise, in both directions."""
    found = []
    for seed in range(300):
        before = drawn(LOST, seed)
        flips = rng(seed + 1_000).random((4, 100)) < 0.1
        after = tuple(
            SetScores(one.set, 100, one.positions, tuple(np.where(flip, rng(seed).permuted(one.scores), one.scores)))
            for one, flip in zip(before, flips, strict=True)
        )
        pair = ScorePair(before, after if paired else drawn(LOST, seed + 5_000), 16)
        found.append(position_change([pair], rng(seed), 300, paired))
    truth = np.mean([one.dip.value for one in found])
    assert np.mean([holds(one.dip, truth) for one in found]) >= 0.93


def test_the_change_on_the_same_questions_is_narrower():
    before = drawn(LOST, 7, 200)
    after = tuple(
        SetScores(one.set, 200, one.positions, tuple(max(s, float(i % 10 == 0)) for i, s in enumerate(one.scores)))
        for one in before
    )
    pair = [ScorePair(before, after, 16)]
    paired, unpaired = (position_change(pair, rng(), 500, same) for same in (True, False))
    assert paired.dip.value == pytest.approx(unpaired.dip.value)
    assert np.ptp(paired.dip.interval) < np.ptp(unpaired.dip.interval) / 2
    assert paired.middle.above_zero


def test_other_positions_are_not_paired():
    found = position_change([ScorePair(drawn(LOST, 1, 200), drawn(FLAT, 2, 160), 16)], rng(), 300)
    assert found.dip.below_zero and holds(found.dip, -DIP_OF_LOST)


def test_the_mean_of_probes_is_surer_than_one():
    sets = [drawn(FLAT, seed) for seed in range(3)]
    one, three = position_effect(sets[:1], rng(), 1_000), position_effect(sets, rng(), 1_000)
    assert three.dip.value == pytest.approx(np.mean([measured_dip(each) for each in sets]))
    assert np.ptp(three.middle.interval) < np.ptp(one.middle.interval)


def test_a_gap_that_shrinks_within_its_interval_is_a_dip_that_shrinks_beyond_it():
    """1,600 questions, from a dip of the size that the paper's base model has to none: the dip is sure of it."""
    before, after = drawn(np.array([0.9, 0.7, 0.6, 0.7, 0.9]), 1, 400), drawn(np.full(5, 0.85), 2, 400)
    found = position_change([ScorePair(before, after, 16)], rng(), 2_000)
    assert found.dip.below_zero and found.middle.above_zero

"""Coverage of the intervals of a probe that asks each question at every depth, simulated with related answers."""

import numpy as np
import pytest

from in2_plugin.probing.scoring.dip import DIP, position_change, position_effect
from in2_plugin.probing.scoring.paired_depths import by_question, question_errors
from in2_plugin.probing.scoring.scores import SetScores
from in2_plugin.probing.scoring.statistics import ScorePair, bootstrap

LOST = np.array([0.92, 0.8, 0.7, 0.6, 0.55, 0.55, 0.6, 0.7, 0.8, 0.92])
"""Chance of a right answer at ten depths, for a question of middle difficulty."""


def rng(seed=0):
    return np.random.default_rng(seed)


def asked(chances, questions, spread, random):
    """Right or wrong answers to each question at each depth; `spread` is that of difficulties, in logits."""
    chances = np.asarray(chances)
    logits = np.log(chances / (1 - chances)) + random.normal(0, spread, (questions, 1))
    return (random.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)


def sets(scores):
    depths = scores.shape[1]
    return tuple(SetScores(i, depths, tuple(range(depths)), tuple(row)) for i, row in enumerate(scores.tolist()))


def truth(chances, spread):
    """Return the expected scores by fifth over a million difficulties."""
    chances = asked_chances(chances, spread)
    return chances.reshape(5, -1).mean(axis=1)


def asked_chances(chances, spread):
    chances = np.asarray(chances)
    difficulties = rng(7).normal(0, spread, (200_000, 1))
    return (1 / (1 + np.exp(-np.log(chances / (1 - chances)) - difficulties))).mean(axis=0)


def share_that_covers(draw, value, estimate, runs=400):
    covered = 0
    for run in range(runs):
        low, high = estimate(draw(rng(run)), rng(10_000 + run))
        covered += low - 1e-9 <= value <= high + 1e-9
    return covered / runs


@pytest.mark.parametrize("questions", [20, pytest.param(100, marks=pytest.mark.e2e_full)])
@pytest.mark.parametrize("spread", [pytest.param(0.0, marks=pytest.mark.e2e_full), 1.5])
@pytest.mark.parametrize("chances", [LOST, np.full(10, 0.5), np.full(10, 0.97)], ids=["lost", "flat", "near ceiling"])
def test_the_interval_of_the_dip_covers_95_percent(chances, spread, questions):
    covered = share_that_covers(
        lambda random: sets(asked(chances, questions, spread, random)),
        float(DIP @ truth(chances, spread)),
        lambda found, random: position_effect([found], random, 400, by_question=True).dip.interval,
    )
    assert covered >= 0.92
    assert covered <= 0.99 or chances[0] == 0.97  # few answers are wrong, and the added ones widen the interval


def test_the_interval_of_a_change_covers_95_percent():
    after = np.full(10, 0.9)
    value = float(DIP @ (truth(after, 1.5) - truth(LOST, 1.5)))

    def draw(random):
        # the difficulty of a question is the same for both models
        seed = int(random.integers(1 << 30))
        return ScorePair(sets(asked(LOST, 80, 1.5, rng(seed))), sets(asked(after, 80, 1.5, rng(seed))), 10)

    covered = share_that_covers(
        draw, value, lambda pair, random: position_change([pair], random, 400, by_question=True).dip.interval
    )
    assert 0.92 <= covered <= 0.99


@pytest.mark.e2e_full
def test_the_interval_of_an_average_covers_95_percent_though_answers_are_related():
    value = float(asked_chances(LOST, 2.0).mean())

    def coverage(whole_questions):
        return share_that_covers(
            lambda random: sets(asked(LOST, 60, 2.0, random)),
            value,
            lambda found, random: bootstrap(found, 10, random, 400, whole_questions).avg,
            runs=150,
        )

    assert 0.9 <= coverage(True) <= 0.99
    assert coverage(False) < 0.75  # single answers as if they were unrelated


def test_difficult_questions_do_not_hide_a_dip():
    """The interval is narrower than that of as many unrelated answers."""
    scores = asked(LOST, 200, 3.0, rng())
    low, high = position_effect([sets(scores)], rng(), 2_000, by_question=True).dip.interval
    fifths = scores.reshape(200, 5, 2).mean(axis=(0, 2))
    unrelated = np.sqrt((DIP**2 * fifths * (1 - fifths)).sum() / 400)
    assert high - low < 0.8 * 2 * 1.96 * unrelated


def test_equal_answers_are_not_certain():
    for score in (0.0, 1.0):
        few, many = (
            position_effect([sets(np.full((n, 10), score))], rng(), 1_000, by_question=True).dip for n in (10, 300)
        )
        for dip in (few, many):
            assert dip.value == pytest.approx(0.0)
            assert dip.interval[0] < 0 < dip.interval[1]
        assert many.interval[1] < 0.02 < few.interval[1]


def test_questions_that_lack_a_depth_count_at_the_others():
    full = asked(LOST, 40, 1.0, rng())
    some = (*sets(full[:39]), SetScores(39, 10, (0, 1, 2), tuple(full[39, :3])))
    rows = by_question([some], 5)
    assert rows.shape == (40, 5, 1)
    assert np.isnan(rows[39, 2:]).all() and not np.isnan(rows[:39]).any()
    assert rows[39, 1, 0] == full[39, 2]
    assert position_effect([some], rng(), 500, by_question=True).dip.interval is not None


def test_a_fifth_with_one_question_has_no_interval():
    one = (SetScores(0, 10, tuple(range(10)), (1.0,) * 10), SetScores(1, 10, (0, 1), (1.0, 0.0)))
    assert np.isnan(question_errors(by_question([one], 5), rng(), 10)[:, 1:]).all()
    assert position_effect([one], rng(), 100, by_question=True).dip.interval is None

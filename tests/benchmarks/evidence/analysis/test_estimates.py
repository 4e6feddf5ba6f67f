"""Intervals cover what they say, find a dip that is there, and none that is not."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.evidence.analysis.estimates import Estimate, SeedVariance, Stratum, estimate, pooled_seed_variance
from benchmarks.evidence.analysis.invented import Spread, invented_answers
from benchmarks.evidence.analysis.power import StudyDesign, simulate
from in2_plugin.probing.scoring.dip import DIP

STUDIES = 300


def contrast(dips: tuple[float, float], rng, spread: Spread, seeds: int = 3, questions: int = 120) -> Estimate:
    """Invent a study of four trained arms, and compare the first two; the others have no dip."""
    answers = invented_answers([*dips, 0.0, 0.0], seeds, questions, rng, spread)
    arms = [[Stratum(of_arm @ DIP, 1.0)] for of_arm in answers]
    return estimate([arms[0][0].minus(arms[1][0])], pooled_seed_variance(arms))


@pytest.mark.parametrize("seeds", [0.0, 0.03, 0.08])
def test_intervals_cover_the_true_difference(seeds):
    """Of 300 intervals of 95%, 272 to 298 cover by chance, at three standard deviations."""
    rng, spread = np.random.default_rng(1), Spread(seeds=seeds)
    found = [contrast((0.2, 0.2), rng, spread) for _ in range(STUDIES)]
    covered = sum(not one.above(0) and not one.below(0) for one in found)
    assert covered >= 272


@pytest.mark.parametrize("seeds", [0.0, 0.03, 0.08])
def test_intervals_without_pooled_seeds_cover(seeds):
    """Those of H1, a single arm, and of H2, whose arms are not pooled."""
    rng, spread, covered = np.random.default_rng(3), Spread(seeds=seeds), np.zeros(2)
    for _ in range(STUDIES):
        start, uniform = (Stratum(of_arm @ DIP, 1.0) for of_arm in invented_answers((0.2, 0.0), 3, 120, rng, spread))
        for number, one in enumerate((estimate([start]), estimate([start.minus(uniform)]))):
            covered[number] += not one.above(0.2) and not one.below(0.2)
    assert covered.min() >= 272


def test_a_dip_that_is_there_is_found_as_often_as_the_power_says():
    expected = simulate(StudyDesign(120, 0.14, trained=4, stable=0.0, seed_deviation=0.02), STUDIES)["H3"]
    rng, spread = np.random.default_rng(2), Spread(questions=0.0, arm_by_question=0.0, seeds=0.02)
    found = sum(contrast((0.14, 0.0), rng, spread).above(0) for _ in range(STUDIES))
    assert 0.5 < expected < 0.98 and found / STUDIES == pytest.approx(expected, abs=0.08)


def test_one_seed_without_strata_is_the_t_interval_over_questions():
    values = np.random.default_rng(0).normal(size=(1, 30))
    found = estimate([Stratum(values, 1.0)])
    expected = stats.t.interval(0.95, 29, values.mean(), values.std(ddof=1) / 30**0.5)
    assert found.interval == pytest.approx(expected) and (found.seeds, found.questions) == (1, 30)


def test_seeds_that_differ_more_than_questions_decide_the_interval():
    by_seed = np.array([0.1, 0.2, 0.6])
    values = by_seed[:, None] + np.random.default_rng(0).normal(scale=1e-3, size=(3, 50))
    found = estimate([Stratum(values, 1.0)])
    expected = stats.t.interval(0.95, 2, values.mean(), values.mean(axis=1).std(ddof=1) / 3**0.5)
    assert found.interval == pytest.approx(expected, rel=1e-3)


def test_strata_are_weighted():
    rng = np.random.default_rng(0)
    ends, middle = rng.normal(1, 0.1, (2, 40)), rng.normal(3, 0.1, (2, 40))
    found = estimate([Stratum(ends, 1.0), Stratum(middle, -1.0)])
    assert found.value == pytest.approx(ends.mean() - middle.mean())
    assert found.interval[0] < found.value < found.interval[1] and found.questions == 80


def test_what_does_not_vary_has_no_interval():
    assert estimate([Stratum(np.zeros((3, 20)), 1.0)]).interval is None
    assert estimate([Stratum(np.zeros((3, 1)), 1.0)]).interval is None


def test_seeds_are_pooled_over_arms():
    x = [[Stratum(np.tile([[a], [b], [c]], 5), 1.0)] for a, b, c in [(0.0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 1, 1)]]
    pooled = pooled_seed_variance(x)
    assert pooled == SeedVariance(pytest.approx(2 * 4 / 6 / 3), 6)
    two = pooled_seed_variance(x[:2])
    differences = np.array([0.0, -1, 1])
    assert two.of_mean == pytest.approx(differences.var(ddof=1) / 3)
    assert pooled_seed_variance(x[:1]) is None

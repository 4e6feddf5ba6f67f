import numpy as np
import pytest

from in2_plugin.probing.scoring.dip import position_effect
from in2_plugin.probing.scoring.power import (
    Design,
    detectable_dip,
    detectable_paired_dip,
    gap_by_chance,
    paired_questions_needed,
    questions_needed,
    shown_by,
)
from in2_plugin.probing.scoring.scores import SetScores

DESIGN = Design()


def test_more_questions_and_more_contexts_show_smaller_dips():
    dips = [detectable_dip(n, DESIGN) for n in (10, 30, 100, 200, 500)]
    assert dips == sorted(dips, reverse=True)
    assert 0.18 < dips[1] < 0.21 and 0.04 < dips[4] < 0.055
    assert detectable_dip(200, Design(contexts=8)) < detectable_dip(200, DESIGN)


def test_a_change_needs_twice_the_questions():
    assert detectable_dip(200, DESIGN, models=2) == pytest.approx(detectable_dip(100, DESIGN))
    assert questions_needed(0.1, DESIGN, models=2) == pytest.approx(2 * questions_needed(0.1, DESIGN), abs=1)


def test_the_number_of_questions_is_the_least_that_suffices():
    needed = questions_needed(0.05, DESIGN)
    assert detectable_dip(needed, DESIGN) <= 0.05 < detectable_dip(needed - 1, DESIGN)


def test_contexts_that_differ_set_a_limit():
    assert questions_needed(0.02, Design(context_deviation=0.05)) is None
    assert questions_needed(0.02, Design(context_deviation=0.05, contexts=400)) is not None
    assert detectable_dip(200, Design(context_deviation=0.05)) > detectable_dip(200, DESIGN)


def test_easy_and_hard_probes_need_fewer_questions():
    assert questions_needed(0.1, Design(score=0.9)) < questions_needed(0.1, DESIGN)


@pytest.mark.parametrize(("questions", "score", "gap"), [(196, 0.85, 0.089), (196, 0.95, 0.053)])
def test_known_gaps_of_a_flat_model(questions, score, gap):
    """15 spans, from an independent binomial simulation."""
    assert gap_by_chance(questions, Design(spans=15, score=score)) == pytest.approx(gap, abs=0.005)


def test_gaps_of_thirty_questions_are_mostly_chance():
    assert gap_by_chance(30, DESIGN) > 0.3 > 4 * gap_by_chance(1_000, DESIGN)


@pytest.mark.slow
def test_a_dip_is_shown_as_often_as_stated():
    """400 simulated runs through the interval itself."""
    items = 200
    dip = detectable_dip(4 * items / 16, Design(score=0.5))
    fifths = 0.5 + dip * np.array([0.6, -0.4, -0.4, -0.4, 0.6])
    shown = []
    for seed in range(400):
        random = np.random.default_rng(seed)
        right = random.random((4, items)) < fifths[np.arange(items) * 5 // items]
        sets = tuple(SetScores(i, items, tuple(range(items)), tuple(row.astype(float))) for i, row in enumerate(right))
        shown.append(position_effect([sets], random, 300).dip.above_zero)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.06)


def test_paired_depths_need_fewest_questions():
    design = Design(spans=10)
    needed = paired_questions_needed(0.08, design)
    assert detectable_paired_dip(needed, design) <= 0.08 < detectable_paired_dip(needed - 1, design)
    # related answers show a smaller dip; two models need more
    assert paired_questions_needed(0.08, design, correlation=0.5) < needed < paired_questions_needed(0.08, design, 0, 2)


@pytest.mark.slow
def test_a_dip_of_paired_depths_is_shown_as_often_as_stated():
    questions, design = 60, Design(spans=10)
    dip = detectable_paired_dip(questions, design)
    chances = 0.5 + dip * np.repeat([0.6, -0.4, -0.4, -0.4, 0.6], 2)
    shown = []
    for seed in range(400):
        random = np.random.default_rng(seed)
        right = (random.random((questions, 10)) < chances).astype(float)
        sets = tuple(SetScores(i, 10, tuple(range(10)), tuple(row)) for i, row in enumerate(right.tolist()))
        found = position_effect([sets], random, 300, by_question=True).dip
        shown.append(found.above_zero)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.06)
    assert shown_by(found.interval) == pytest.approx(dip, rel=0.25)

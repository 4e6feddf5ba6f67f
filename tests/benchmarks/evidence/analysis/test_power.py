"""The power calculation agrees with itself, and with the calculation for a single seed."""

from dataclasses import replace

import pytest

from benchmarks.evidence.analysis.power import StudyDesign, detectable_difference, questions_needed, table


def test_questions_needed_show_the_difference_and_one_less_does_not():
    design = StudyDesign()
    n = questions_needed(0.1, design)
    assert detectable_difference(n, design) <= 0.1 < detectable_difference(n - 1, design)


def test_more_seeds_questions_and_equal_seeds_show_smaller_differences():
    design = StudyDesign(seed_deviation=0.02)
    base = detectable_difference(200, design)
    assert detectable_difference(400, design) < base
    assert detectable_difference(200, replace(design, seeds=5)) < base
    assert detectable_difference(200, replace(design, seed_deviation=0.0)) < base
    assert detectable_difference(200, replace(design, stable=0.9)) > base
    assert detectable_difference(200, design, power=0.8) < base


def test_no_number_of_questions_helps_where_seeds_differ_much():
    assert questions_needed(0.1, StudyDesign(seed_deviation=0.1)) is None
    assert "no number" in table(10, 0.9, 3, 4)


def test_many_seeds_approach_the_normal_calculation():
    design = StudyDesign(seeds=400, stable=0.0)
    variance = 2 * 0.25 * (5 / 6) / (400 * 100)
    assert detectable_difference(100, design) == pytest.approx((1.96 + 1.2816) * variance**0.5, rel=0.02)

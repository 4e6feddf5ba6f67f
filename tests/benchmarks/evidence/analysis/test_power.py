"""The simulated power agrees with what theory says, and more of anything shows more."""

from dataclasses import replace

import pytest
from scipy import stats

from benchmarks.evidence.analysis.power import StudyDesign, questions_needed, simulate, table
from in2_plugin.probing.scoring.dip import DIP

DESIGN = StudyDesign(questions=60, difference=0.2, seed_deviation=0.03)
RUNS = 200


def power(name: str, **changes: float) -> float:
    return simulate(replace(DESIGN, **changes), RUNS)[name]


def test_many_seeds_approach_the_normal_calculation():
    variance = 2 * 0.25 * float(DIP @ DIP) / (40 * 60)
    expected = stats.norm.cdf(0.05 / variance**0.5 - stats.norm.ppf(0.975))
    found = simulate(replace(DESIGN, seeds=40, difference=0.05, seed_deviation=0, stable=0), 400)
    assert found["H3"] == pytest.approx(expected, abs=0.08)


def test_more_questions_seeds_and_arms_show_more():
    assert power("H3", questions=180) > power("H3")
    assert power("H2", seeds=5) > power("H2") + 0.1
    assert power("H3", seed_deviation=0.1) < power("H3") - 0.2
    assert power("H3", stable=0.9) < power("H3")


def test_contrasts_with_start_have_less_power_than_pooled_ones_and_the_claim_least():
    found = simulate(replace(DESIGN, seed_deviation=0.06), RUNS)
    assert found["claim"] < found["H2"] < found["H3"]


def test_without_an_effect_few_studies_show_one_and_precise_ones_refute_it():
    found = simulate(replace(DESIGN, difference=0.0, questions=240, seed_deviation=0.0), RUNS)
    assert found["H3"] < 0.06 and found["claim"] < 0.02 and found["H3 refuted"] > 0.8


def test_questions_needed_show_the_difference_and_fewer_do_not():
    n = questions_needed(DESIGN, "H3", runs=RUNS)
    assert n and power("H3", questions=n) >= 0.9 > power("H3", questions=n - 10)
    assert questions_needed(replace(DESIGN, seed_deviation=0.2), "H2", runs=20) is None


def test_the_table_has_a_row_per_effect_and_deviation():
    lines = table(DESIGN, [0, 40], [0, 20], 0.9, runs=20).splitlines()
    assert lines[0].startswith("3 seeds, 3 trained arms, average 50%")
    assert [line.split(" | ")[:3] for line in lines[4:6]] == [["| 0", "0", "-"], ["| 0", "20", "-"]]
    assert "more than 600" in lines[7]

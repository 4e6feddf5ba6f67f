import numpy as np
import pytest

from in2_plugin.reporting.binomial_gap import DRAWS, binomial_flat_gap, rows_per_span


def simulate(average, counts, seed=0, gap=0.5):
    return binomial_flat_gap(average, gap, counts, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("average", "expected", "percentile_95"), [(0.85, 8.9, 12.2), (0.89, 7.8, 10.7), (0.95, 5.3, 7.7)]
)
def test_the_gap_of_a_flat_model_matches_known_values(average, expected, percentile_95):
    """Compare with an independent simulation of 15 spans with 196 rows each."""
    gap = simulate(average, rows_per_span(15 * 196, 15))
    assert 100 * gap.expected == pytest.approx(expected, abs=0.15)
    assert 100 * gap.percentile_95 == pytest.approx(percentile_95, abs=0.3)


def test_the_gap_of_two_spans_with_one_row_each_is_exact():
    # the gap is 1 if one answer is right and the other wrong: 2 p (1 - p)
    assert simulate(0.3, (1, 1)).expected == pytest.approx(0.42, abs=0.01)


def test_the_p_value_counts_flat_models_with_as_large_a_gap():
    assert simulate(0.3, (1, 1), gap=1.0).p_value == pytest.approx(0.42, abs=0.01)
    assert simulate(0.85, (100,) * 15, gap=0.0).at_least == DRAWS
    assert simulate(0.85, (100,) * 15, gap=0.9).p_value == 1 / (DRAWS + 1)


def test_more_rows_mean_less_noise():
    assert simulate(0.8, (400,) * 15).expected < simulate(0.8, (50,) * 15).expected / 2


@pytest.mark.parametrize("average", [0.0, 1.0])
def test_a_perfect_or_hopeless_flat_model_has_no_gap(average):
    assert simulate(average, (10,) * 4).percentile_95 == 0


def test_one_span_has_no_gap():
    assert simulate(0.5, (100,)).expected == 0


def test_equal_generators_give_equal_gaps():
    assert simulate(0.7, (30,) * 16, seed=3) == simulate(0.7, (30,) * 16, seed=3)
    assert simulate(0.7, (30,) * 16, seed=3) != simulate(0.7, (30,) * 16, seed=4)


def test_rows_are_divided_over_spans_without_loss():
    assert rows_per_span(10, 4) == (3, 3, 2, 2)
    assert rows_per_span(2940, 15) == (196,) * 15


@pytest.mark.parametrize(("rows", "spans"), [(3, 4), (5, 0)])
def test_fewer_rows_than_spans_are_an_error(rows, spans):
    with pytest.raises(ValueError, match=f"{rows} rows cannot fill {spans} spans"):
        rows_per_span(rows, spans)

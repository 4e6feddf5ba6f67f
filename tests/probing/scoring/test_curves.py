"""Aggregation against values computed by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.errors import ProbeError
from in2_plugin.probing.scoring.curves import (
    Curve,
    Scored,
    curve,
    curve_from_positions,
    span_of,
    span_of_depth,
    span_value,
)


def test_spans_of_the_paper():
    assert [span_of(p, 800, 16) for p in (0, 49, 50, 799)] == [0, 0, 1, 15]
    assert [span_of(p, 750, 15) for p in (49, 50, 749)] == [0, 1, 14]


def test_fewer_positions_than_spans_leave_spans_between_them():
    assert [span_of(p, 5, 16) for p in range(5)] == [0, 3, 6, 9, 12]


@given(st.integers(1, 60), st.sampled_from([3, 5, 7]))
def test_spans_of_depths_are_symmetric(n_depths, n_spans):
    spans = [span_of_depth(depth, n_depths, n_spans) for depth in range(n_depths)]
    assert [n_spans - 1 - span for span in reversed(spans)] == spans
    if n_depths % n_spans == 0:
        assert spans == [span_of(depth, n_depths, n_spans) for depth in range(n_depths)]


def test_the_fifths_of_few_depths():
    assert [span_of_depth(depth, 7, 5) for depth in range(7)] == [0, 1, 1, 2, 3, 3, 4]
    with pytest.raises(ProbeError, match="depth 7 is not one of the 7 depths"):
        span_of_depth(7, 7, 5)


@pytest.mark.parametrize("position", [-1, 5])
def test_a_position_outside_is_an_error(position):
    with pytest.raises(ProbeError, match=f"position {position} is not one of the 5"):
        span_of(position, 5, 16)


def test_sets_weigh_the_same_however_many_rows_they_have():
    # set 0: mean 1.0 of three rows; set 1: 0.0 of one. The rows' mean would be 0.75
    assert span_value([(1.0, 0), (1.0, 0), (1.0, 0), (0.0, 1)]) == 0.5
    assert span_value([]) is None


def test_curve_by_hand():
    rows = [
        Scored(1.0, set=0, span=0),
        Scored(0.0, set=0, span=0),
        Scored(1.0, set=1, span=0),  # span 0: mean(0.5, 1.0) = 0.75
        Scored(0.25, set=1, span=2),  # span 1 is empty, span 2: 0.25
    ]
    assert curve(rows, 4) == Curve(spans=(0.75, None, 0.25, None), avg=0.5, gap=0.5)


def test_rescoring_from_positions_gives_the_same():
    rows = [(1.0, 0, 8, 0), (0.0, 1, 8, 0), (1.0, 1, 8, 1), (0.25, 4, 8, 1)]
    assert curve_from_positions(rows, 4) == Curve(spans=(0.75, None, 0.25, None), avg=0.5, gap=0.5)


def test_no_rows_and_foreign_spans_are_errors():
    with pytest.raises(ProbeError, match="no question was scored"):
        curve([], 16)
    with pytest.raises(ProbeError, match="a row has span 16"):
        curve([Scored(1.0, 0, 16)], 16)


@given(st.lists(st.builds(Scored, st.floats(0, 1), st.integers(0, 3), st.integers(0, 15)), min_size=1))
def test_avg_is_between_the_extremes_in_any_order(rows):
    found = curve(rows, 16)
    values = [value for value in found.spans if value is not None]
    assert min(values) - 1e-12 <= found.avg <= max(values) + 1e-12
    assert found.gap == max(values) - min(values)
    again = curve(rows[::-1], 16)
    assert again.avg == pytest.approx(found.avg) and again.gap == pytest.approx(found.gap)

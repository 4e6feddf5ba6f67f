import pytest

from in2_plugin.probing.scoring.statistics import FlatGap
from in2_plugin.reporting.results import ProbeKey
from in2_plugin.reporting.text.wording import (
    chance,
    interval,
    listed,
    percent,
    percent_or_absent,
    probe_name,
    signed,
    tokens,
    with_interval,
)


def test_numbers_have_one_decimal():
    assert (percent(0.8544), percent_or_absent(None), percent_or_absent(1)) == ("85.4", "–", "100.0")
    assert (signed(0.1), signed(-0.0349), signed(0)) == ("+10.0", "-3.5", "+0.0")


def test_intervals_are_in_brackets():
    assert interval((0.831, 0.87)) == "[83.1, 87.0]"
    assert interval((-0.01, 0.5), is_difference=True) == "[-1.0, +50.0]"
    assert interval(None) == ""


def test_values_are_followed_by_their_interval_if_there_is_one():
    assert with_interval(0.854, (0.831, 0.87)) == "85.4 [83.1, 87.0]"
    assert with_interval(-0.1, (-0.2, 0.0), is_difference=True) == "-10.0 [-20.0, +0.0]"
    assert with_interval(0.854, None) == "85.4"


@pytest.mark.parametrize(("length", "text"), [(4096, "4K"), (131072, "128K"), (5000, "5,000"), (512, "512")])
def test_lengths_are_written_in_thousands(length, text):
    assert tokens(length) == text


def test_p_values_are_worded_as_counts():
    assert chance(FlatGap(0.1, 0.2, 0, 2000)) == "none of 2,000"
    assert chance(FlatGap(0.1, 0.2, 1234, 2000)) == "1,234 of 2,000"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (ProbeKey("", "code", None, 4096), "code at 4K"),
        (ProbeKey("closed_book", "code", None, 4096), "code without context at 4K"),
        (ProbeKey("matrix", "document", "backward", 4096), "document backward at 4K"),
        (ProbeKey("paper", "database", None, 4096), "database on the authors' data at 4K"),
    ],
)
def test_probes_have_names(key, name):
    assert probe_name(key, with_length=True) == name
    assert probe_name(key, with_length=False) == name.removesuffix(" at 4K")


def test_lists_end_with_and():
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]

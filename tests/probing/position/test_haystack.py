"""Needles in a haystack: at their depth, between units, with nothing else changed."""

import re
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.probing.position.haystack import Haystack, Needle, collect_units, how_many_fit


class Characters:
    """A tokenizer for tests: one token per character."""

    def each(self, texts):
        return [len(text) for text in texts]

    def prompt(self, text):
        return len(text)


@given(
    st.lists(st.text("ab", min_size=1, max_size=30), max_size=40),
    st.lists(st.integers(0, 6), min_size=1, max_size=5),
    st.sampled_from([(" ", " "), ("\n", " "), ("\n", "\n")]),
)
def test_needles_leave_the_units_as_they_are(units, depths, joints):
    needles = [Needle(depth, f"<{index}>") for index, depth in enumerate(depths)]
    haystack = Haystack(tuple(units), *joints)
    context, middles = haystack.place(needles, 7)
    for needle, middle in zip(needles, middles, strict=True):
        assert context.index(needle.text) + 1.5 == pytest.approx(middle * len(context))
    assert re.sub(r"<\d>", " ", context).split() == units
    order = sorted(range(len(depths)), key=lambda index: depths[index])
    assert sorted(range(len(depths)), key=lambda index: middles[index]) == order


def test_needles_are_next_to_their_depth():
    haystack = Haystack(tuple("unit" for _ in range(100)), " ", " ")
    for number in range(11):
        _, (middle,) = haystack.place([Needle(number, "needle")], 11)
        assert middle == pytest.approx(number / 10, abs=0.02)
    assert haystack.place([Needle(0, "needle")], 11)[0].startswith("needle unit")
    assert haystack.place([Needle(10, "needle")], 11)[0].endswith("unit needle")


@given(st.lists(st.text("a", max_size=60), min_size=6, max_size=20))
def test_no_two_depths_are_one_place_however_long_the_units_are(units):
    cuts = Haystack(tuple(units), "\n", " ").cuts(7)
    assert (cuts[0], cuts[-1]) == (0, len(units)) and cuts == sorted(set(cuts))


@given(st.lists(st.sampled_from(["", "a", "b c"]), min_size=4, max_size=12), st.integers(0, 4))
def test_empty_lines_are_kept(units, depth):
    context, _ = Haystack(tuple(units), "\n", " ").place([Needle(depth, "<0>")], 5)
    # at the end of a line; before the first one, on a line of its own
    assert context.replace(" <0>" if depth else "<0>\n", "", 1) == "\n".join(units)


@given(st.integers(1, 400), st.booleans())
def test_as_many_units_as_fit(budget, is_endless):
    numbers = count() if is_endless else range(20)
    units = collect_units((f"unit {number}." for number in numbers), Characters(), budget)
    n = how_many_fit(len(units), budget, lambda some: len(" ".join(units[:some])))
    assert units[:n] == tuple(f"unit {number}." for number in range(n))
    assert len(" ".join(units[:n])) <= budget
    assert n == 20 or len(" ".join(units[: n + 1])) > budget


def test_nothing_fits():
    assert how_many_fit(5, 10, lambda some: 11 + some) == -1

"""Needles in a haystack: at their depth, between units, with nothing else changed."""

import re
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.probing.position.haystack import Haystack, Needle, collect_units, depth_of, how_many_fit


class Characters:
    """A tokenizer for tests: one token per character."""

    def each(self, texts):
        return [len(text) for text in texts]

    def prompt(self, text):
        return len(text)


@given(
    st.lists(st.text("ab", min_size=1, max_size=30), max_size=40),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
    st.sampled_from([(" ", " "), ("\n", " "), ("\n", "\n")]),
)
def test_needles_leave_the_units_as_they_are(units, depths, joints):
    needles = [Needle(depth, f"<{index}>") for index, depth in enumerate(depths)]
    haystack = Haystack(tuple(units), *joints)
    context, middles = haystack.place(needles)
    for needle, middle in zip(needles, middles, strict=True):
        assert context.index(needle.text) + 1.5 == pytest.approx(middle * len(context))
    assert re.sub(r"<\d>", " ", context).split() == units
    order = sorted(range(len(depths)), key=lambda index: depths[index])
    assert sorted(range(len(depths)), key=lambda index: middles[index]) == order


def test_needles_are_next_to_their_depth():
    haystack = Haystack(tuple("unit" for _ in range(100)), " ", " ")
    for number in range(11):
        _, (middle,) = haystack.place([Needle(depth_of(number, 11), "needle")])
        assert middle == pytest.approx(number / 10, abs=0.02)
    assert haystack.place([Needle(0, "needle")])[0].startswith("needle unit")
    assert haystack.place([Needle(1, "needle")])[0].endswith("unit needle")


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

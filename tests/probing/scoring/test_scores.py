"""Scores by set and position: grouped in any order, written and parsed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.errors import ProbeError
from in2_plugin.probing.scoring.scores import SetScores, as_text, gather, scores_from_text

PLACES = st.tuples(st.integers(0, 3), st.integers(0, 29))


@given(st.dictionaries(PLACES, st.floats(0, 1), min_size=1), st.randoms())
def test_scores_survive_a_round_trip(found, rng):
    rows = [(score, position, 30 + index, index) for (index, position), score in found.items()]
    rng.shuffle(rows)
    sets = scores_from_text(as_text(gather(rows)))
    assert [one.set for one in sets] == sorted({index for index, _ in found})
    for one in sets:
        assert one.n_positions == 30 + one.set and list(one.positions) == sorted(one.positions)
        for position, score in zip(one.positions, one.scores, strict=True):
            assert score == pytest.approx(found[one.set, position], abs=6e-5)


def test_the_text_is_small():
    sets = gather((1.0, position, 800, index) for index in range(4) for position in range(800))
    assert len(as_text(sets)) < 30_000


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1.0, 3, 10, 0), (0.0, 3, 10, 0)], "position 3 of set 0 is scored twice"),
        ([(1.0, 3, 10, 0), (0.0, 4, 11, 0)], "set 0 has 10 positions in one row, 11 in another"),
    ],
)
def test_rows_that_contradict_each_other(rows, message):
    with pytest.raises(ProbeError, match=message):
        gather(rows)


@pytest.mark.parametrize(
    "text", ["", "{}x", "[[0,10,[3]]]", "[[0,10,[3],[2]]]", "[[0,10,[10],[1]]]", "[[0,10,[1,2],[1]]]", "[1]"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(ProbeError, match="run the probe again"):
        scores_from_text(text)


def test_a_set_is_a_value():
    assert gather([(0.5, 1, 4, 0)]) == (SetScores(0, 4, (1,), (0.5,)),)

"""The published scoring, against the same arithmetic written down once more."""

import random
from statistics import fmean

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.scoring.curves import curve_from_positions
from in2_plugin.probing.scoring.published import (
    POSITIONS,
    SETS,
    SKIPPED,
    curve_of_asked,
    is_scored,
    published_curve,
    published_scores,
)
from in2_plugin.probing.scoring.scores import SetScores, gather

KINDS = list(POSITIONS)


def random_rows(kind: str, seed: int = 0) -> dict[tuple[int, int], float]:
    rng = random.Random(seed)
    return {(index, position): rng.random() for index in range(SETS) for position in range(POSITIONS[kind])}


def sets_of(kind: str, found: dict[tuple[int, int], float]) -> tuple[SetScores, ...]:
    return gather((score, position, POSITIONS[kind], index) for (index, position), score in found.items())


@pytest.mark.parametrize("kind", KINDS)
def test_avg_and_gap_are_those_of_the_published_arithmetic(kind):
    found, n = random_rows(kind), POSITIONS[kind]
    spans = []
    for start in range(0, n, 50):
        of_sets = []
        for index in range(4):
            counted = [p for p in range(start, start + 49) if index * n + p not in SKIPPED[kind]]
            of_sets.append(fmean(found[index, position] for position in counted))
        spans.append(fmean(of_sets))
    curve = published_curve(kind, sets_of(kind, found))
    assert curve.spans == pytest.approx(spans)
    assert curve.avg == pytest.approx(fmean(spans)) and curve.gap == pytest.approx(max(spans) - min(spans))


@pytest.mark.parametrize(
    ("kind", "skipped", "counted"), [("document", 0, 3_136), ("code", 313, 2_833), ("database", 2, 2_938)]
)
def test_what_counts(kind, skipped, counted):
    """Of the 313 skipped functions ten stand at positions that the loop leaves out anyway."""
    assert len(SKIPPED[kind]) == skipped
    assert all(0 <= index < SETS * POSITIONS[kind] for index in SKIPPED[kind])
    scores = published_scores(kind, sets_of(kind, random_rows(kind)))
    assert sum(len(one.scores) for one in scores) == counted


@pytest.mark.parametrize("place", [(0, 49), (3, 799), (0, 8), (1, 5)])
def test_other_places_change_nothing(place):
    """The last of a span, and the rows 8 and 805 of the list for code."""
    found = random_rows("code")
    before = published_curve("code", sets_of("code", found))
    for score in (0.0, 1.0):
        assert published_curve("code", sets_of("code", {**found, place: score})) == before
    del found[place]
    assert published_curve("code", sets_of("code", found)) == before
    assert not is_scored("code", *place)


def test_it_differs_from_the_plain_curve():
    found = {place: float(place[1] % 50 != 49) for place in random_rows("document")}
    sets = sets_of("document", found)
    rows = [(score, position, 800, index) for (index, position), score in found.items()]
    assert published_curve("document", sets).avg == 1.0
    assert curve_from_positions(rows, 16).avg == pytest.approx(49 / 50)


def test_other_data_is_refused():
    sets = sets_of("database", random_rows("database"))
    with pytest.raises(ProbeError, match="for sets 0 to 3 of 750 positions, and these are set 0 with 750, set 1 with"):
        published_curve("database", sets[:2])
    with pytest.raises(ProbeError, match="for sets 0 to 3 of 800 positions"):
        published_curve("document", sets)
    with pytest.raises(ProbeError, match="and these are none"):
        published_curve("document", ())
    with pytest.raises(ProbeError, match="nothing was published for the matrix_code_forward probe"):
        published_curve("matrix_code_forward", sets)


def test_some_of_the_questions_are_refused():
    found = random_rows("code")
    for place in ((0, 0), (2, 100), (0, 49)):
        del found[place]
    with pytest.raises(ProbeError, match="needs answers to 2,833 questions and 2 are missing; ask all of them"):
        published_curve("code", sets_of("code", found))


@pytest.mark.parametrize("kind", KINDS)
def test_the_rule_for_some_of_the_questions(kind):
    found = random_rows(kind)
    whole = sets_of(kind, found)
    assert curve_of_asked(kind, whole) == published_curve(kind, whole)
    some = {place: score for place, score in found.items() if place[1] < 120 and place[0] < 2}
    before = curve_of_asked(kind, sets_of(kind, some))
    assert len(before.spans) == 3
    assert curve_of_asked(kind, sets_of(kind, {**some, (0, 49): 1.0, (1, 99): 0.0})) == before
    if kind == "code":
        assert curve_of_asked(kind, sets_of(kind, {**some, (0, 8): 1.0 - some[0, 8]})) == before


def test_contexts_of_another_size_have_no_list():
    sets = gather([(1.0, 8, 60, 0), (0.0, 9, 60, 0), (0.0, 49, 60, 0)])
    assert curve_of_asked("code", sets).avg == 0.5
    with pytest.raises(ProbeError, match="no question was scored"):
        curve_of_asked("code", gather([(1.0, 49, 60, 0)]))

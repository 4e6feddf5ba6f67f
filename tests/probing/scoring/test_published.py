"""The published scoring against an independent implementation of the same arithmetic."""

import random
from statistics import fmean

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.builtin import BUILTIN, CODE, DATABASE, DOCUMENT
from in2_plugin.probing.probes.matrix import MATRIX
from in2_plugin.probing.probes.probe import Probe
from in2_plugin.probing.scoring.curves import curve_from_positions
from in2_plugin.probing.scoring.published import (
    SETS,
    curve_of_asked,
    is_scored,
    published_curve,
    published_scores,
)
from in2_plugin.probing.scoring.scores import SetScores, gather


def random_rows(probe: Probe, seed: int = 0) -> dict[tuple[int, int], float]:
    rng = random.Random(seed)
    return {(index, position): rng.random() for index in range(SETS) for position in range(probe.paper.n_positions)}


def sets_of(probe: Probe, found: dict[tuple[int, int], float]) -> tuple[SetScores, ...]:
    return gather((score, position, probe.paper.n_positions, index) for (index, position), score in found.items())


@pytest.mark.parametrize("probe", BUILTIN, ids=lambda probe: probe.name)
def test_avg_and_gap_are_those_of_the_published_arithmetic(probe):
    found, n = random_rows(probe), probe.paper.n_positions
    spans = []
    for start in range(0, n, 50):
        of_sets = []
        for index in range(4):
            counted = [p for p in range(start, start + 49) if index * n + p not in probe.paper.skipped]
            of_sets.append(fmean(found[index, position] for position in counted))
        spans.append(fmean(of_sets))
    curve = published_curve(probe, sets_of(probe, found))
    assert curve.spans == pytest.approx(spans)
    assert curve.avg == pytest.approx(fmean(spans)) and curve.gap == pytest.approx(max(spans) - min(spans))


@pytest.mark.parametrize(
    ("probe", "skipped", "counted"), [(DOCUMENT, 0, 3_136), (CODE, 313, 2_833), (DATABASE, 2, 2_938)]
)
def test_number_of_scored_questions(probe, skipped, counted):
    """Ten of the 313 skipped functions are at positions that the loop skips anyway."""
    assert len(probe.paper.skipped) == skipped
    assert all(0 <= index < SETS * probe.paper.n_positions for index in probe.paper.skipped)
    scores = published_scores(probe, sets_of(probe, random_rows(probe)))
    assert sum(len(one.scores) for one in scores) == counted


@pytest.mark.parametrize("place", [(0, 49), (3, 799), (0, 8), (1, 5)])
def test_skipped_questions_do_not_matter(place):
    """The last of a span, and the rows 8 and 805 of the list for code."""
    found = random_rows(CODE)
    before = published_curve(CODE, sets_of(CODE, found))
    for score in (0.0, 1.0):
        assert published_curve(CODE, sets_of(CODE, {**found, place: score})) == before
    del found[place]
    assert published_curve(CODE, sets_of(CODE, found)) == before
    assert not is_scored(CODE.paper, *place)


def test_the_published_curve_differs_from_ours():
    found = {place: float(place[1] % 50 != 49) for place in random_rows(DOCUMENT)}
    sets = sets_of(DOCUMENT, found)
    rows = [(score, position, 800, index) for (index, position), score in found.items()]
    assert published_curve(DOCUMENT, sets).avg == 1.0
    assert curve_from_positions(rows, 16).avg == pytest.approx(49 / 50)


def test_other_data_is_refused():
    sets = sets_of(DATABASE, random_rows(DATABASE))
    with pytest.raises(ProbeError, match="for sets 0 to 3 of 750 positions, but these are set 0 with 750, set 1 with"):
        published_curve(DATABASE, sets[:2])
    with pytest.raises(ProbeError, match="for sets 0 to 3 of 800 positions"):
        published_curve(DOCUMENT, sets)
    with pytest.raises(ProbeError, match="but these are none"):
        published_curve(DOCUMENT, ())
    with pytest.raises(ProbeError, match="the authors published no data for the matrix_code_forward probe"):
        published_curve(MATRIX["matrix_code_forward"], sets)


def test_incomplete_answers_are_refused():
    found = random_rows(CODE)
    for place in ((0, 0), (2, 100), (0, 49)):
        del found[place]
    with pytest.raises(ProbeError, match="needs answers to 2,833 questions and 2 are missing; ask all of them"):
        published_curve(CODE, sets_of(CODE, found))


@pytest.mark.parametrize("probe", BUILTIN, ids=lambda probe: probe.name)
def test_incomplete_answers_follow_the_same_rule(probe):
    found = random_rows(probe)
    whole = sets_of(probe, found)
    assert curve_of_asked(probe, whole) == published_curve(probe, whole)
    some = {place: score for place, score in found.items() if place[1] < 120 and place[0] < 2}
    before = curve_of_asked(probe, sets_of(probe, some))
    assert len(before.spans) == 3
    assert curve_of_asked(probe, sets_of(probe, {**some, (0, 49): 1.0, (1, 99): 0.0})) == before
    if probe is CODE:
        assert curve_of_asked(probe, sets_of(probe, {**some, (0, 8): 1.0 - some[0, 8]})) == before


def test_contexts_of_another_size_have_no_skip_list():
    sets = gather([(1.0, 8, 60, 0), (0.0, 9, 60, 0), (0.0, 49, 60, 0)])
    assert curve_of_asked(CODE, sets).avg == 0.5
    with pytest.raises(ProbeError, match="no question was scored"):
        curve_of_asked(CODE, gather([(1.0, 49, 60, 0)]))

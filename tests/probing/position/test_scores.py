"""Scored answers survive the results file, and the scoring of VAL works on them."""

import json

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.position.scores import PositionScores, ScoredAnswer, as_text, position_scores_from_text
from in2_plugin.probing.scoring.dip import measured_dip
from in2_plugin.probing.scoring.scores import SetScores, scores_from_text


def _answer(question: int, depth: int, score: float, length: int = 4_096, kind: str = "fine_grained") -> ScoredAnswer:
    return ScoredAnswer(question, length, depth, kind, ((depth + 0.5) / 5,), score, score)


SCORES = PositionScores(
    "0123456789abcdef",
    5,
    8_192,
    (
        *(_answer(question, depth, float(depth in (0, 4))) for question in (0, 1) for depth in range(5)),
        _answer(7, 3, 0.25, length=8_192),
        ScoredAnswer(9, 4_096, 1, "integration", (0.3, 0.7), 0.5, 0.6),
    ),
)


def test_the_text_restores_the_scores() -> None:
    assert position_scores_from_text(as_text(SCORES)) == SCORES


def test_a_control_has_one_depth_and_no_gold_depths() -> None:
    control = PositionScores("0" * 16, 1, None, (ScoredAnswer(0, 4_096, 0, "fine_grained", (), 1.0, 1.0),))
    assert position_scores_from_text(as_text(control)) == control


def test_sets_hold_the_fine_grained_answers_of_one_length() -> None:
    assert SCORES.lengths == (4_096, 8_192)
    assert SCORES.sets(4_096) == (
        SetScores(0, 5, (0, 1, 2, 3, 4), (1.0, 0.0, 0.0, 0.0, 1.0)),
        SetScores(1, 5, (0, 1, 2, 3, 4), (1.0, 0.0, 0.0, 0.0, 1.0)),
    )
    assert SCORES.sets(8_192) == (SetScores(7, 5, (3,), (0.25,)),)
    assert measured_dip(SCORES.sets(4_096)) == pytest.approx(1.0)


def test_depths_are_where_the_golds_are() -> None:
    placed = [ScoredAnswer(q, 4_096, d, "fine_grained", (at,), 1.0, 1.0) for q, d, at in (
        (0, 0, 0.0), (1, 0, 0.02), (0, 1, 0.4), (1, 1, 0.6), (0, 2, 1.0),
    )]  # fmt: skip
    scores = PositionScores("0" * 16, 4, None, (*placed, _answer(0, 3, 1.0, length=8_192)))
    assert scores.depths(4_096) == pytest.approx((0.01, 0.5, 1.0, 0.875))  # the last one is the even spread


@pytest.mark.parametrize(
    "text",
    ["", "null", "[[0,5,[0],[1.0]]]", "{}", '{"digest":"a","n_depths":5,"window":null,"kinds":[],"answers":[1]}'],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ProbeError, match="cannot be read"):
        position_scores_from_text(text)


@pytest.mark.parametrize(("place", "value"), [(2, 5), (2, -1), (5, 1.5), (6, -0.5), (4, [2.0])])
def test_values_out_of_bounds_are_refused(place: int, value: object) -> None:
    content = json.loads(as_text(SCORES))
    content["answers"][0][place] = value
    with pytest.raises(ProbeError, match="inconsistent"):
        position_scores_from_text(json.dumps(content))


def test_the_scores_of_val_are_told_apart() -> None:
    with pytest.raises(ProbeError):
        scores_from_text(as_text(SCORES))

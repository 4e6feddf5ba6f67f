"""Scores of predictions from files agree with those of lm_eval, and with the published arithmetic."""

import random
from dataclasses import replace

import numpy as np
import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.offline.gold import GoldRow
from in2_plugin.probing.offline.predictions import Prediction
from in2_plugin.probing.offline.scoring import score_predictions
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.scoring.curves import curve_from_positions
from in2_plugin.probing.scoring.published import published_curve
from in2_plugin.probing.scoring.scores import gather


def questions(positions: int = 800, sets: int = 4, ambiguous: tuple[int, ...] = ()) -> list[GoldRow]:
    return [
        GoldRow(None, index, place, positions, (f"name_{index}_{place}.",), place in ambiguous)
        for index in range(sets)
        for place in range(positions)
    ]


def answered(rows: list[GoldRow], is_right) -> list[tuple[GoldRow, Prediction]]:
    return [(row, Prediction("", None, f"It is {row.gold[0]}" if is_right(row) else "unknown", 1)) for row in rows]


def score(pairs, **more):
    return score_predictions(PROBES["code"], pairs, np.random.default_rng(0), **more)


def test_the_curve_counts_every_position():
    rng = random.Random(0)
    rows = questions()
    right = {(row.set, row.position): rng.random() < 0.9 - 0.4 * (300 < row.position < 500) for row in rows}
    pairs = answered(rows, lambda row: right[row.set, row.position])
    found = score(pairs)
    places = [(float(ok), place, 800, index) for (index, place), ok in right.items()]
    assert found.curve == curve_from_positions(places, 16)
    assert (found.questions, found.left_out, found.match_paper) == (3_200, 0, False)
    low, high = found.intervals.avg
    assert low < found.curve.avg < high and 0 < found.flat_gap.expected < found.curve.gap
    assert found.flat_gap.p_value < 0.01
    paper = score(pairs, match_paper=True)
    assert paper.curve == published_curve(PROBES["code"], gather(places)) != found.curve
    assert (paper.questions, paper.left_out) == (2_833, 367)


def test_ambiguous_rows_count_only_as_published():
    rows = questions(ambiguous=(7, 70))
    pairs = answered(rows, lambda row: not row.ambiguous)
    found, paper = score(pairs), score(pairs, match_paper=True)
    assert (found.curve.avg, found.left_out) == (1.0, 8)
    assert paper.curve.avg < 1.0


def test_any_number_of_spans():
    pairs = answered(questions(positions=40, sets=2), lambda row: row.position < 20)
    assert score(pairs, n_spans=4).curve.spans == (1.0, 1.0, 0.0, 0.0)
    with pytest.raises(ProbeError, match="spans of 50 positions; leave --spans or --match-paper out"):
        score(pairs, n_spans=4, match_paper=True)


def test_predictions_are_counted_by_kind():
    rows = questions(positions=20, sets=1)
    pairs = [
        (row, Prediction("", None, " \n" if row.position < 3 else row.gold[0], 1 + row.position % 2)) for row in rows
    ]
    found = score(pairs)
    assert (found.empty, found.more_samples) == (3, 10)
    shown = found.as_json()
    assert shown["position"]["dip"]["value"] == pytest.approx(found.position.dip.value)
    assert shown["avg"] == found.curve.avg and shown["gap"] == 1.0 and shown["task"] == "code"
    assert set(shown["flat_gap"]) >= {"expected", "percentile_95", "p_value"}
    assert shown["intervals"]["spans"][0] == found.intervals.spans[0]


def test_thoughts_are_not_scored():
    rows = questions(positions=20, sets=1)
    opened = [replace(row, opens_thought=True) for row in rows]
    names = " ".join(row.gold[0] for row in rows)

    def found(asked: list[GoldRow], text: str, **more):
        return score([(row, Prediction("", None, text, 1)) for row in asked], **more)

    for asked, text in ((rows, f"<think>{names}"), (opened, names)):
        unfinished = found(asked, text)
        assert (unfinished.curve.avg, unfinished.unfinished_thoughts, unfinished.empty) == (0.0, 20, 0)
        assert unfinished.as_json()["unfinished_thoughts"] == 20
        assert found(asked, text, thoughts="scored").curve.avg == 1.0
    for asked, text in ((rows, f"<think>{names}</think>none"), (opened, f"{names}</think>none")):
        assert (found(asked, text).curve.avg, found(asked, text).unfinished_thoughts) == (0.0, 0)
    assert found(rows, names, thoughts="opened").unfinished_thoughts == 20
    assert found(opened, names, thoughts="closed").curve.avg == 1.0


def test_only_ambiguous_rows_are_refused():
    pairs = answered(questions(positions=4, sets=1, ambiguous=(0, 1, 2, 3)), lambda row: True)
    with pytest.raises(ProbeError, match="every gold row is marked ambiguous"):
        score(pairs)


def test_the_same_answers_give_the_same_intervals():
    pairs = answered(questions(positions=100, sets=2), lambda row: row.position % 3 > 0)
    assert score(pairs) == score(pairs)


def test_a_probe_of_another_size_is_not_scored_as_published():
    pairs = answered(questions(positions=700), lambda row: True)
    with pytest.raises(ProbeError, match="for sets 0 to 3 of 800 positions"):
        score(pairs, match_paper=True)

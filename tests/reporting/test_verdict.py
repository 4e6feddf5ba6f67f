"""Verdicts on curves at the floor, at the ceiling, all equal, lost in the middle, tilted and empty."""

import json

import pytest

from in2_plugin.errors import ReportError
from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.position.read import read_position_models
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.verdict import Verdict, floor_of
from tests.support import lm_eval_results as made
from tests.support import position_results as made_position

LOST = [0.9] * 3 + [0.4] * 10 + [0.9] * 3
EVEN = [0.85] * 16
TILTED = [0.05 + 0.06 * span for span in range(16)]


def value(curve, seed=0, items=200, task="code", **options):
    content = made.content("m", {})
    made.add(content, f"val_probe_{task}", made.drawn_sets(curve, items, seed, graded=task == "document"), **options)
    return content


def judge(tmp_path, *contents):
    for index, content in enumerate(contents):
        made.write(tmp_path / str(index), content)
    labels = [f"m{index}" for index in range(len(contents))]
    return compare(read_models([tmp_path / str(index) for index in range(len(contents))], labels)).verdicts


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        ([0.0] * 16, Verdict.FLOOR),
        ([0.02] * 16, Verdict.FLOOR),
        ([1.0] * 16, Verdict.CEILING),
        (EVEN, Verdict.EVEN),
        (LOST, Verdict.DIP),
        (TILTED, Verdict.UNEVEN),
        ([1 - value for value in LOST], Verdict.UNEVEN),
        ([0.0] * 8 + [1.0] * 8, Verdict.UNEVEN),  # a window: the ends minus the middle are about zero
    ],
)
def test_a_single_model(tmp_path, curve, verdict):
    (one,) = judge(tmp_path, value(curve))
    assert (one.verdict, one.before, one.after) == (verdict, None, "m0")
    assert one.reason.endswith(".")


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (LOST, EVEN, Verdict.IMPROVED),
        (EVEN, LOST, Verdict.WORSE),
        (EVEN, [0.4] * 16, Verdict.WORSE),  # as flat, but lower everywhere
        (LOST, [0.4] * 16, Verdict.WORSE),  # flatter only because the ends fell
        (EVEN, EVEN, Verdict.NO_CHANGE),
        ([0.3] * 16, [0.8] * 16, Verdict.NO_CHANGE),  # higher, but there was no dip
        (LOST, [0.0] * 16, Verdict.WORSE),  # collapsed
        (EVEN, [0.03] * 16, Verdict.WORSE),
        ([0.02] * 16, [0.0] * 16, Verdict.FLOOR),
        ([0.0] * 16, LOST, Verdict.FLOOR),
        ([0.0] * 16, [0.0] * 16, Verdict.FLOOR),
        ([1.0] * 16, [1.0] * 16, Verdict.CEILING),
        (LOST, [1.0] * 16, Verdict.IMPROVED),
        ([1.0] * 16, LOST, Verdict.WORSE),
    ],
)
def test_a_later_model_against_the_first(tmp_path, before, after, verdict):
    (one,) = judge(tmp_path, value(before, 0), value(after, 1))
    assert (one.verdict, one.before, one.after) == (verdict, "m0", "m1")


def test_equal_answers_are_no_change(tmp_path):
    (one,) = judge(tmp_path, value(LOST), value(LOST))
    assert one.verdict is Verdict.NO_CHANGE
    assert "change +0.0 [" in one.reason


def test_no_change_says_that_the_average_rose(tmp_path):
    (one,) = judge(tmp_path, value([0.3] * 16, 0), value([0.8] * 16, 1))
    assert "higher, but the dip is not shown to be smaller" in one.reason


def test_a_collapsed_model_is_named(tmp_path):
    (one,) = judge(tmp_path, value(EVEN, 0), value([0.0] * 16, 1))
    assert "; average -84.1 [-" in one.reason
    assert one.reason.endswith("]. m1 has an average of 0.0%, where answers that need no reading score 0.1%.")


def test_the_floor_of_a_document_is_what_repeating_the_question_scores(tmp_path):
    (one,) = judge(tmp_path, value([0.0] * 16, task="document"))
    assert one.verdict is Verdict.FLOOR
    assert one.reason == "The model has an average of 35.3%, where answers that need no reading score 38.1%."


def test_the_closed_book_score_is_a_floor(tmp_path):
    content = value([0.62] * 16)
    made.add(content, "val_probe_closed_book_code", made.drawn_sets([0.6] * 16, 200, 5))
    made.write(tmp_path / "m", content)
    comparison = compare(read_models([tmp_path / "m"]))
    assert floor_of(comparison.models[0], "code") == pytest.approx(0.6, abs=0.05)
    assert comparison.verdicts[0].verdict is Verdict.KNOWN


@pytest.mark.parametrize(
    ("closed_book", "gold_only", "verdict"),
    [(3, 40, Verdict.FLOOR), (3, 5, Verdict.KNOWN), (3, None, Verdict.FLOOR), (24, None, Verdict.KNOWN)],
)
def test_a_few_known_answers_are_not_knowledge(tmp_path, closed_book, gold_only, verdict):
    """Closed book of 7.5% is knowledge only if the gold alone does not give much more."""
    right = {"": closed_book, "closed_book": closed_book, "gold_only": gold_only}
    controls = [control for control, number in right.items() if number is not None]
    answers = {control: (lambda row, n=right[control]: made_position.oracle(row) if row["question"] < n else "No idea.")
               for control in controls}  # fmt: skip
    made_position.write(tmp_path / "m", "m", answers, controls=controls, log=False)
    (one,) = compare(read_position_models(read_models([tmp_path / "m"]))).verdicts
    assert one.verdict is verdict


def test_the_model_at_the_floor_is_the_one_that_is_named(tmp_path):
    (first,) = judge(tmp_path / "a", value([0.0] * 16, 0), value(LOST, 1))
    assert (first.about, first.verdict) == ("m0", Verdict.FLOOR)
    assert "m1 alone: dip in the middle. Ends minus middle: +" in first.reason
    (second,) = judge(tmp_path / "b", value(LOST, 0), value([0.0] * 16, 1))
    assert second.about == "m1"


def test_a_low_score_with_a_curve_is_not_at_the_floor(tmp_path):
    (one,) = judge(tmp_path, value([0.3] + [0.0] * 14 + [0.3]))
    assert one.verdict is Verdict.DIP


def test_a_zero_is_never_called_even(tmp_path):
    """The sentence that a code score of 0.0 had: its gap is no larger than chance gives an even model."""
    made.write(tmp_path / "m", value([0.0] * 16))
    summary = compare(read_models([tmp_path / "m"])).summary
    assert summary.startswith("Code: at the floor: says nothing about position.")
    assert "equally well" not in summary


def test_results_without_single_scores_have_no_verdict_but_the_floor(tmp_path):
    old = made.content("m", {"code": LOST})
    (one,) = judge(tmp_path / "a", old)
    assert one.verdict is Verdict.UNKNOWN
    assert one.reason.startswith("Ends minus middle: +")
    (two,) = judge(tmp_path / "b", old, made.content("m", {"code": [0.0] * 16}))
    assert two.verdict is Verdict.FLOOR


def test_a_fifth_without_questions_has_no_verdict(tmp_path):
    (one,) = judge(tmp_path, made.content("m", {"code": [None] * 4 + [0.5] * 12}))
    assert one.verdict is Verdict.UNKNOWN
    assert "A fifth of the depth has no scored question" in one.reason


def test_other_lengths_are_not_subtracted(tmp_path):
    (one,) = judge(tmp_path, value(LOST), value(EVEN, 1, probe_length=4096))
    assert one.verdict is Verdict.UNKNOWN


def test_empty_curves_and_numbers_that_are_none_are_errors(tmp_path):
    empty = made.content("m", {"code": LOST})
    empty["results"]["val_probe_code"] |= {f"span_{span:02d},none": float("nan") for span in range(16)}
    path = made.write(tmp_path / "nan", empty)
    assert "NaN" in path.read_text()
    with pytest.raises(ReportError, match="val_probe_code has no scores"):
        read_models([tmp_path / "nan"])
    broken = value(LOST)
    sets = json.loads(broken["results"]["val_probe_code"]["scores_stderr,none"])
    sets[0][3][0] = float("nan")
    broken["results"]["val_probe_code"]["scores_stderr,none"] = json.dumps(sets)
    made.write(tmp_path / "score", broken)
    with pytest.raises(ReportError, match="scores by position are inconsistent"):
        read_models([tmp_path / "score"])

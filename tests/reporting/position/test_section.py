"""What a report says about scripted models: oracle, echo, one that reads the ends, one that knows the answers."""

from dataclasses import replace

import pytest

from in2_plugin.reporting.evidence import same_length
from in2_plugin.reporting.position.section import LEADS, length_name, position_sections
from in2_plugin.reporting.verdict import Verdict, judge_model
from tests.support import position_results as made


def section(comparison):
    (found,) = position_sections(comparison)
    return found


@pytest.mark.parametrize(
    ("answers", "verdict", "sentence"),
    [
        (made.reader, Verdict.CEILING, "m finds nearly every answer at every depth"),
        (made.echo, Verdict.FLOOR, "m finds too few answers to say anything about position."),
        (made.only_ends, Verdict.DIP, "m loses the middle of the context. Ends minus middle: +100.0"),
        (made.closed_book, Verdict.KNOWN, "m knows the answers without reading, so this probe says nothing about"),
    ],
)
def test_the_first_sentence_says_what_a_model_does(compared, answers, verdict, sentence):
    (text, one), = section(compared(m=answers)).verdicts  # fmt: skip
    assert one.verdict is verdict
    assert text.startswith(sentence)


def test_every_verdict_has_a_sentence():
    assert set(LEADS) == set(Verdict)


def test_controls_lengths_and_power(compared):
    found = section(compared(m={"answers": made.only_ends, "lengths": (4096, 8192), "window": 16384}))
    (model,) = found.models
    assert (model.gold_only, model.closed_book, model.avg) == (1.0, 0.0, pytest.approx(0.4))
    assert [length_name(point) for point in model.lengths] == ["4K, 25% of the window", "8K, 50% of the window"]
    assert model.power.startswith("m: with 40 questions at 10 depths, a dip of ")
    assert model.power.endswith(" points would be seen in 8 of 10 runs.")
    assert 0 < model.detectable_dip < 0.15
    assert found.how_to_log == ""


def test_examples_need_logged_samples(compared):
    found = section(compared(m={"answers": made.only_ends, "log": False}))
    assert "--log_samples" in found.how_to_log
    assert found.models[0].lost == ()


def test_before_and_after_on_the_same_questions(compared):
    found = section(compared(before=made.only_ends, after=made.reader))
    (text, one), = found.verdicts  # fmt: skip
    assert one.verdict is Verdict.IMPROVED
    assert text.startswith("after reads the middle better than before. Ends minus middle: +100.0 → +0.0")
    (pairs,) = found.found
    assert len(pairs.pairs) == 3


def test_other_questions_are_not_compared(compared):
    comparison = compared(before=made.only_ends, after={"answers": made.reader, "digest": "f" * 16})
    found = section(comparison)
    assert found.verdicts[0][1].verdict is Verdict.UNKNOWN
    assert "asked other questions" in found.verdicts[0][0]
    assert found.found == () == comparison.changes
    assert any("questions and contexts differs" in warning for warning in comparison.warnings)


@pytest.mark.parametrize(
    ("before", "about"),
    [(made.echo, "before finds too few answers"), (made.closed_book, "before knows the answers without reading")],
)
def test_a_first_model_at_the_floor_is_named_and_the_second_is_judged_alone(compared, before, about):
    (text, one), = section(compared(before=before, after=made.only_ends)).verdicts  # fmt: skip
    assert text.startswith(about)
    assert "after alone: dip in the middle. Ends minus middle: +100.0" in text
    assert (one.about, one.after) == ("before", "after")


def test_a_second_model_at_the_floor_is_named(compared):
    (text, one), = section(compared(before=made.reader, after=made.echo)).verdicts  # fmt: skip
    assert text.startswith("after is worse than before.")
    assert one.about == "after"


def test_other_subsets_of_the_questions_are_not_compared(compared):
    settings = {"answers": made.only_ends, "questions": 20}
    comparison = compared(before=settings, after={"answers": made.reader, "questions": 40})
    (text, one), = section(comparison).verdicts  # fmt: skip
    assert one.verdict is Verdict.UNKNOWN
    assert "run both on the same questions" in text
    assert comparison.changes == ()
    assert any("number of scored rows differs" in warning for warning in comparison.warnings)


def sometimes(row):
    asked = (row["question"] + row["depth"]) % 2 if row["control"] == "" else row["control"] == "gold_only"
    return made.oracle(row) if asked else "It is not stated."


@pytest.mark.parametrize("questions", [2, 3])
def test_too_few_questions_are_not_certainty(compared, questions):
    comparison = compared(
        a={"answers": sometimes, "questions": questions}, b={"answers": sometimes, "questions": questions}
    )
    found = section(comparison)
    assert found.verdicts[0][1].verdict is Verdict.UNKNOWN
    assert "too few questions to show a change" in found.verdicts[0][0]
    assert [model.detectable_dip for model in found.models] == [None, None]
    assert (
        found.models[0].power == f"a: {questions} questions at 10 depths are too few to show a dip; ask more questions."
    )
    alone = judge_model(comparison.models[0], "litm_qa", comparison.of(comparison.models[0], result_of(comparison)))
    assert alone.verdict is Verdict.UNKNOWN
    assert alone.reason.endswith("points; these are too few questions to show a dip, so ask more.")


def result_of(comparison, model=0):
    return comparison.models[model].tasks["litm_qa"]


def test_three_depths_ask_for_more_depths_and_not_for_more_questions(compared):
    settings = {"answers": made.only_ends, "depths": 3}
    found = section(compared(a=settings, b=settings))
    why = "sked at 3 depths; ends minus middle needs 5: set `probe_depths`, or `depths` in a probe file."
    assert found.verdicts[0][0].endswith(f"A{why}")
    assert found.models[0].power == f"a: a{why}"
    assert "more questions" not in found.verdicts[0][0]


def test_the_same_contexts_in_other_tokens_are_compared(compared):
    comparison = compared(
        before={"answers": made.only_ends, "lengths": (4096,)}, after={"answers": made.reader, "lengths": (4120,)}
    )
    found = section(comparison)
    assert found.verdicts[0][1].verdict is Verdict.IMPROVED
    assert len(found.found[0].pairs) == 3
    assert comparison.warnings == ()


def test_chosen_lengths_of_one_folder_are_not_the_same_contexts(compared):
    comparison = compared(
        a={"answers": made.reader, "lengths": (4096,)}, b={"answers": made.reader, "lengths": (8192,)}
    )
    first, second = (result_of(comparison, model) for model in (0, 1))
    assert same_length(first, second)
    assert not same_length(replace(first, options={"probe_lengths": "[4096]"}), second)


def test_questions_with_several_golds_alone_have_a_map_and_no_verdict(compared):
    settings = {"answers": made.only_ends, "questions": 0, "integration": 20}
    for found in (section(compared(m=settings)), section(compared(m=settings, n=settings))):
        assert found.verdicts[0][1].verdict is Verdict.UNKNOWN
        assert "Every question has several golds; see the map." in found.verdicts[0][0]
        assert found.models[0].power == "m: every question has several golds; see the map."
        assert found.models[0].two_golds.average == pytest.approx(found.models[0].avg)

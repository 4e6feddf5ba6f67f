"""What a report says about scripted models: oracle, echo, one that reads the ends, one that knows the answers."""

import pytest

from in2_plugin.reporting.position.section import LEADS, length_name, position_sections
from in2_plugin.reporting.verdict import Verdict
from tests.support import position_results as made


def section(comparison):
    (found,) = position_sections(comparison)
    return found


@pytest.mark.parametrize(
    ("answers", "verdict", "sentence"),
    [
        (made.reader, Verdict.CEILING, "m finds nearly every answer at every depth"),
        (made.echo, Verdict.FLOOR, "Too few answers are found to say anything about position."),
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
    assert len(pairs.pairs) == 5


def test_other_questions_are_not_compared(compared):
    comparison = compared(before=made.only_ends, after={"answers": made.reader, "digest": "f" * 16})
    found = section(comparison)
    assert found.verdicts[0][1].verdict is Verdict.UNKNOWN
    assert "asked other questions" in found.verdicts[0][0]
    assert found.found == () == comparison.changes
    assert any("questions and contexts differs" in warning for warning in comparison.warnings)

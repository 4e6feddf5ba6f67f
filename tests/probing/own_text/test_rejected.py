"""Rejected questions are added once, and sentences about a build name what a probe has."""

from collections import Counter

import pytest

from in2_plugin import layout
from in2_plugin.dataset.tables import REJECTED, read_rows, write_rows
from in2_plugin.errors import NotEnoughQuestions, ProbeError
from in2_plugin.probing.own_text.rejected import add_rejected, errors_in_probe_terms, reword_rejected
from in2_plugin.probing.own_text.tables import DepthQuestion
from in2_plugin.questions import Part
from in2_plugin.questions.collection import Collected, shortfall

QUESTION = DepthQuestion(0, "fine_grained", "Who?", ("Kim",), 3, (7,))


def test_a_question_is_added_once(tmp_path):
    write_rows(tmp_path / layout.REJECTED, [{"question": "Why?", "reason": "too long"}], REJECTED)
    for _ in range(2):
        add_rejected(tmp_path, QUESTION, "no room")
    before, row = read_rows(tmp_path / layout.REJECTED)
    assert before["question"] == "Why?"
    assert (row["question"], row["answer"], row["segment_ids"], row["reason"]) == ("Who?", "Kim", [7], "no room")


def test_reasons_are_reworded_once(tmp_path):
    path = tmp_path / layout.REJECTED
    write_rows(path, [{"reason": "its segments are longer than lengths.max"}], REJECTED)
    reword_rejected(tmp_path)
    first = path.read_bytes()
    reword_rejected(tmp_path)
    assert [row["reason"] for row in read_rows(path)] == ["its segments are longer than `lengths`"]
    assert path.read_bytes() == first


def test_too_few_questions_name_the_keys_of_a_probe():
    with pytest.raises(NotEnoughQuestions) as failure, errors_in_probe_terms():
        raise NotEnoughQuestions(shortfall(Part.INTEGRATION, 50, Collected(3, Counter())))
    assert str(failure.value) == (
        "integration asks for 50 questions, but the corpus gave 3, 47 too few; add text, or lower `integration`"
    )


def test_other_errors_are_unchanged():
    with pytest.raises(ProbeError, match=r"lengths\.max"), errors_in_probe_terms():
        raise ProbeError("lengths.max")

"""Questions about records: true, unambiguous, of both directions, and the same in any process."""

import pickle
from collections import Counter
from dataclasses import replace

import pytest

from in2_plugin.questions import Kind, Part, Passage, Question, Rejection
from in2_plugin.questions.records.pages import pages_of
from in2_plugin.questions.records.registers import invent_register
from in2_plugin.questions.records.wording import RECORD_FORMS
from in2_plugin.questions.records.writer import NONE_LEFT, RecordsWriter

SEED, FIRST = 5, 100
"""Seed, and the document of register 0."""
REGISTERS = 60


@pytest.fixture(scope="module")
def passages(mistral) -> list[Passage]:
    found = []
    for number in range(REGISTERS):
        texts = pages_of(invent_register(number, SEED), mistral.count, 96)
        ids = 1_000 + 2 * number, 1_001 + 2 * number
        found.append(Passage(Kind.INTEGRATION, FIRST + number, ids, tuple(texts), 0))
        found += [
            Passage(Kind.FINE_GRAINED, FIRST + number, (i,), (text,), 0) for i, text in zip(ids, texts, strict=True)
        ]
    return found


def write(passages, **changes) -> list[Question | Rejection]:
    writer = RecordsWriter(SEED, FIRST)
    return list(writer.write([replace(passage, **changes) for passage in passages], lambda: 1))


@pytest.fixture(scope="module")
def written(passages) -> list[tuple[Passage, Question]]:
    found = list(zip(passages, write(passages), strict=True))
    assert all(isinstance(question, Question) for _, question in found)
    return found


def test_what_is_given_and_asked_is_in_the_gold_once(written):
    for passage, question in written:
        assert question.part is Part.RECORDS
        assert question.gold == question.segment_ids == passage.segment_ids
        assert len(question.exclusive) == 2 * len(question.gold)
        given, asked = _halves(question)
        for text, one, other in zip(passage.texts, given, asked, strict=True):
            assert text.count(one) == text.count(other) == 1
            assert one in question.question and other not in question.question
            assert other in question.answer


def _halves(question: Question) -> tuple[tuple[str, ...], tuple[str, ...]]:
    half = len(question.exclusive) // 2
    return question.exclusive[:half], question.exclusive[half:]


def test_the_answer_belongs_to_what_is_given(written):
    for passage, question in written:
        register = invent_register(passage.document - FIRST, SEED)
        for text, one, other in zip(passage.texts, *_halves(question), strict=True):
            (record,) = [record for record in register.records_on(text) if one in record]
            assert other in record


def test_forms_say_on_which_side_the_answer_is(written):
    for passage, question in written:
        (one, *_), (other, *_) = _halves(question)
        side = "after" if passage.texts[0].index(one) < passage.texts[0].index(other) else "before"
        assert question.form == f"record{'s' if passage.kind is Kind.INTEGRATION else ''}_{side}"


def test_both_directions_and_all_relations_are_asked(written):
    forms = Counter(question.form for _, question in written)
    assert forms["record_after"] == forms["record_before"] == REGISTERS
    assert set(forms) == set(RECORD_FORMS)
    assert abs(forms["records_after"] - forms["records_before"]) <= REGISTERS / 2
    starts = {question.question.split()[0] for _, question in written}
    assert len(starts) >= 6


def test_later_draws_ask_something_else_until_nothing_is_left(passages):
    asked = [write(passages, draw=draw) for draw in range(40)]
    for place in range(len(passages)):
        results = [drawn[place] for drawn in asked]
        questions = [one for one in results if isinstance(one, Question)]
        assert len({(one.exclusive, one.question) for one in questions}) == len(questions) >= 2
        assert all(one.reason == NONE_LEFT for one in results[len(questions) :])


def test_a_question_depends_on_its_passage_alone(passages, written):
    writer = pickle.loads(pickle.dumps(RecordsWriter(SEED, FIRST)))
    again = list(writer.write(reversed(passages), lambda: 1))
    assert again[::-1] == [question for _, question in written]
    assert writer.detail() == ""


def test_a_text_without_its_records_is_rejected(passages):
    (result,) = write(passages[:1], texts=("nothing", "here"))
    assert result == Rejection(result.passage, NONE_LEFT)

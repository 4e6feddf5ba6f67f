"""Each form's answer, worked out again from the text by other means."""

import re

import numpy as np
import pytest

from in2_plugin.config import Lengths
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.questions import Kind, Passage, Question, Rejection
from in2_plugin.questions.collection import passages
from in2_plugin.questions.extractive.writer import FORMS, ExtractiveWriter

QUOTED = re.compile(r'"([^"]*)"')


@pytest.fixture(scope="module")
def store(documents, mistral, tmp_path_factory):
    return build_store(
        documents, tmp_path_factory.mktemp("store"), mistral,
        segment_tokens=128, paper_exact=False, rng=np.random.default_rng(0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(store) -> list[tuple[Passage, Question]]:
    """Questions of every form, with the passages they are about."""
    found = []
    for kind in Kind:
        offered = passages(store, kind, Lengths(min=2_048, max=4_096), np.random.default_rng(0))
        offered = [next(offered) for _ in range(400)]
        found += [
            (passage, question)
            for passage, question in zip(offered, ExtractiveWriter(0).write(offered, int), strict=True)
            if isinstance(question, Question)
        ]
    return found


def of_form(written, form):
    found = [(passage, question) for passage, question in written if question.form == form]
    assert len(found) >= 3, f"too few of {form} to say anything"
    return found


def flat(text: str) -> str:
    return " ".join(text.split())


def test_every_form_is_written(written):
    forms = {question.form for _, question in written}
    assert forms == {form for kind in Kind for form in FORMS[kind]}
    assert all(len(FORMS[kind]) >= 4 for kind in Kind)


def test_what_is_quoted_occurs_once(written):
    for passage, question in written:
        text = "\n".join(passage.texts).casefold()
        for piece in QUOTED.findall(question.question):
            assert text.count(piece.casefold()) == 1, question


def test_every_quotation_is_exclusive(written):
    for _, question in written:
        assert set(QUOTED.findall(question.question)) <= set(question.exclusive)


def test_the_answer_cannot_stand_in_a_filler(written):
    """Either the answer itself is exclusive, or a part of it is."""
    for _, question in written:
        assert any(text.casefold() in question.answer.casefold() for text in question.exclusive), question


def test_gold_is_needed(written):
    for passage, question in written:
        assert set(question.gold) <= set(passage.segment_ids)
        assert (len(question.gold) >= 2) == (passage.kind is Kind.INTEGRATION)


def test_words_after(written):
    for passage, question in of_form(written, "words_after"):
        (piece,) = QUOTED.findall(question.question)
        after = flat(passage.texts[0].split(piece)[1])
        assert after.startswith(flat(question.answer))


def test_words_before(written):
    for passage, question in of_form(written, "words_before"):
        (piece,) = QUOTED.findall(question.question)
        before = flat(passage.texts[0].split(piece)[0])
        assert before.endswith(flat(question.answer))


def test_sentence_with(written):
    for passage, question in of_form(written, "sentence_with"):
        (piece,) = QUOTED.findall(question.question)
        assert piece in question.answer
        assert question.answer in passage.texts[0]


def test_missing_words(written):
    for passage, question in of_form(written, "missing_words"):
        left, right = QUOTED.findall(question.question)
        assert f"{left} {question.answer} {right}" in flat(passage.texts[0])


def test_next_sentence(written):
    for passage, question in of_form(written, "next_sentence"):
        (piece,) = QUOTED.findall(question.question)
        assert flat(passage.texts[0].split(piece)[1]).startswith(flat(question.answer))


def segment_with(passage: Passage, piece: str) -> str:
    (text,) = [text for text in passage.texts if piece in text]
    return text


def test_rest_of_both(written):
    for passage, question in of_form(written, "rest_of_both"):
        first, second = QUOTED.findall(question.question)
        for piece, rest in zip((first, second), question.answer.split(" / "), strict=True):
            assert flat(segment_with(passage, piece).split(piece)[1]).startswith(flat(rest))


def test_shared_word(written):
    for passage, question in of_form(written, "shared_word"):
        texts = [segment_with(passage, piece).casefold() for piece in QUOTED.findall(question.question)]
        assert all(re.search(rf"\b{re.escape(question.answer)}\b", text) for text in texts)
        assert not any(question.answer in piece.casefold() for piece in QUOTED.findall(question.question))


def test_other_sentence_with_word(written):
    for passage, question in of_form(written, "other_sentence_with_word"):
        (piece,) = QUOTED.findall(question.question)
        word = re.match(r"[^\w]*(\w+)", segment_with(passage, piece).split(piece)[1])[1].casefold()
        assert word in question.answer.casefold()
        assert piece not in question.answer
        assert "\n".join(passage.texts).casefold().count(word) == 2


def test_longer_sentence(written):
    for _passage, question in of_form(written, "longer_sentence"):
        pieces = QUOTED.findall(question.question)
        assert sum(piece in question.answer for piece in pieces) == 1


def test_same_seed_same_questions_other_seed_others(written):
    offered = [passage for passage, _ in written[:50]]
    first, again = (list(ExtractiveWriter(0).write(offered, int)) for _ in range(2))
    assert first == again == [question for _, question in written[:50]]
    assert list(ExtractiveWriter(1).write(offered, int)) != first


def test_order_does_not_matter(written):
    offered = [passage for passage, _ in written[:20]]
    assert list(ExtractiveWriter(0).write(offered[::-1], int)) == list(ExtractiveWriter(0).write(offered, int))[::-1]


def test_a_passage_with_nothing_to_quote_is_rejected():
    passage = Passage(Kind.FINE_GRAINED, 0, (0,), ("Too short.",), 0)
    (result,) = ExtractiveWriter(0).write([passage], int)
    assert isinstance(result, Rejection)
    assert "no sentence" in result.reason


CHINESE = (
    "语言模型在处理很长的输入时，往往只注意开头和结尾的内容，而忽略中间的部分。"
    "研究人员为此设计了一种新的训练方法，把答案随机放在上下文的任意位置。"
    "经过这样的训练之后，模型在各个位置上找到信息的能力变得更加均匀。"
)


def test_chinese_text_without_spaces_can_be_asked_about():
    passage = Passage(Kind.FINE_GRAINED, 0, (0,), (CHINESE,), 0)
    draws = [Passage(passage.kind, 0, (0,), passage.texts, draw) for draw in range(20)]
    results = [r for r in ExtractiveWriter(0).write(draws, int) if isinstance(r, Question)]
    assert len({r.form for r in results}) >= 4
    for result in results:
        assert all(CHINESE.count(piece) == 1 for piece in QUOTED.findall(result.question))
        assert result.answer in CHINESE


def test_repeated_sentences_are_not_asked_about():
    line = "The same sentence with more than a dozen words stands in this passage two times over."
    passage = Passage(Kind.FINE_GRAINED, 0, (0,), (f"{line} {line}",), 0)
    (result,) = ExtractiveWriter(0).write([passage], int)
    assert isinstance(result, Rejection)

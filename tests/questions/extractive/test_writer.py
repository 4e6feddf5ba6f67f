"""The extractive writer: every form, quotations that occur once, the same questions for the same seed."""

import hashlib

from in2_plugin.questions import Kind, Passage, Question, Rejection
from in2_plugin.questions.extractive.registry import FORMS, TextStyle
from in2_plugin.questions.extractive.writer import ExtractiveWriter
from tests.support.extractive_forms import QUOTED
from tests.support.synthetic_corpus import synthetic_documents


def test_every_form_about_prose_is_written(written):
    assert {question.form for _, question in written} >= {form.name for form in FORMS if form.style is TextStyle.PROSE}


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


def test_an_answer_about_prose_occurs_in_one_place(written):
    prose = {form.name for form in FORMS if form.style is TextStyle.PROSE}
    for passage, question in written:
        if question.form in prose and passage.kind is Kind.FINE_GRAINED:
            assert passage.texts[0].casefold().count(question.answer.casefold()) == 1, question


def test_gold_is_needed(written):
    for passage, question in written:
        assert set(question.gold) <= set(passage.segment_ids)
        assert (len(question.gold) >= 2) == (passage.kind is Kind.INTEGRATION)


def test_same_seed_same_questions_other_seed_others(written):
    sample = [passage for passage, _ in written[:50]]
    first, again = (list(ExtractiveWriter(0).write(sample, int)) for _ in range(2))
    assert first == again == [question for _, question in written[:50]]
    assert list(ExtractiveWriter(1).write(sample, int)) != first


def test_order_does_not_matter(written):
    sample = [passage for passage, _ in written[:20]]
    assert list(ExtractiveWriter(0).write(sample[::-1], int)) == list(ExtractiveWriter(0).write(sample, int))[::-1]


def test_a_passage_with_nothing_to_quote_is_rejected():
    passage = Passage(Kind.FINE_GRAINED, 0, (0,), ("Too short.",), 0)
    (result,) = ExtractiveWriter(0).write([passage], int)
    assert isinstance(result, Rejection)
    assert "nothing in it" in result.reason


CHINESE = (
    "语言模型在处理很长的输入时，往往只注意开头和结尾的内容，而忽略中间的部分。"
    "研究人员为此设计了一种新的训练方法，把答案随机放在上下文的任意位置。"
    "经过这样的训练之后，模型在各个位置上找到信息的能力变得更加均匀。"
)


def test_chinese_text_without_spaces_can_be_asked_about():
    passage = Passage(Kind.FINE_GRAINED, 0, (0,), (CHINESE,), 0)
    draws = [Passage(passage.kind, 0, (0,), passage.texts, draw) for draw in range(150)]
    results = [r for r in ExtractiveWriter(0).write(draws, int) if isinstance(r, Question)]
    assert {r.form for r in results} == {
        form.name for form in FORMS if form.kind is passage.kind and form.style is TextStyle.PROSE
    }
    assert any("six characters" in r.question and len(r.answer) == 6 for r in results)
    for result in results:
        assert all(CHINESE.count(piece) == 1 for piece in QUOTED.findall(result.question))
        assert result.answer in CHINESE


def test_repeated_sentences_are_not_asked_about():
    line = "The same sentence with more than a dozen words stands in this passage two times over."
    passage = Passage(Kind.FINE_GRAINED, 0, (0,), (f"{line} {line}",), 0)
    (result,) = ExtractiveWriter(0).write([passage], int)
    assert isinstance(result, Rejection)


def test_the_questions_do_not_change():
    """Questions about an invented text, as the version of November 2026 wrote them; others need another `name`."""
    passages = []
    for i, document in enumerate(synthetic_documents(60)):
        passages.append(Passage(Kind.FINE_GRAINED, i, (i,), (document.text,), 0))
        lines = tuple(document.text.split("\n"))
        passages.append(Passage(Kind.INTEGRATION, i, tuple(range(i, i + len(lines))), lines, 0))
    found = [one for one in ExtractiveWriter(0).write(passages, int) if isinstance(one, Question)]
    assert len(found) > 100
    said = "\n".join(f"{q.form}\t{q.question}\t{q.answer}\t{q.gold}\t{q.exclusive}" for q in found)
    assert hashlib.sha256(said.encode()).hexdigest()[:16] == "d5b85e15736256c3"

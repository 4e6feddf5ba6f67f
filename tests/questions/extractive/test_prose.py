"""Check each fine-grained form against the text of its passage, by other means than the writer's."""

from tests.support.extractive_forms import QUOTED, flat, of_form


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

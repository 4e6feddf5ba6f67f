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


def test_sentence_start(written):
    for passage, question in of_form(written, "sentence_start"):
        (piece,) = QUOTED.findall(question.question)
        assert flat(question.answer) in flat(passage.texts[0].split(piece)[0])
        assert len(question.answer.split()) == 6


def test_line_start(written):
    for passage, question in of_form(written, "line_start"):
        (piece,) = QUOTED.findall(question.question)
        (line,) = [line for line in passage.texts[0].split("\n") if piece in line]
        assert line.split()[:6] == question.answer.split()


def test_previous_start_and_previous_sentence(written):
    for form in ("previous_start", "previous_sentence"):
        for passage, question in of_form(written, form):
            (piece,) = QUOTED.findall(question.question)
            before = flat(passage.texts[0].split(piece)[0])
            assert flat(question.answer) in before
            assert form == "previous_start" or before.endswith(flat(question.answer))


def test_sentence_ending(written):
    for passage, question in of_form(written, "sentence_ending"):
        (piece,) = QUOTED.findall(question.question)
        assert question.answer.endswith(piece)
        assert question.answer in passage.texts[0]

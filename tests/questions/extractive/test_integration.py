"""Check each integration form against the texts of its passage, by other means than the writer's."""

import re

from in2_plugin.questions import Passage
from tests.support.extractive_forms import QUOTED, flat, of_form


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

"""Sentences that can be quoted, and quotations that occur once."""

import numpy as np
import pytest

from in2_plugin.questions.extractive.quoting import QUOTED_UNITS, Excerpt, is_rare, words_of

LONG = "The harbour master of the small northern town kept a daily log of every ship that entered the bay."
OTHER = "Nobody in the village remembered who had first built the stone bridge across the narrow river."


def test_sentences_of_medium_length_without_quotation_marks_can_be_quoted():
    excerpt = Excerpt.of([f"{LONG} Too short. {OTHER}", f'He said "{OTHER.rstrip(".")}" and left the room at once.'])
    assert [(s.segment, s.order, s.text) for s in excerpt.sentences] == [(0, 0, LONG), (0, 2, OTHER)]


def test_a_sentence_that_occurs_twice_cannot_be_quoted_whatever_the_case():
    assert [s.text for s in Excerpt.of([f"{LONG} {OTHER}", OTHER.upper()]).sentences] == [LONG]


def test_a_quotation_leaves_the_asked_units_on_both_sides():
    excerpt = Excerpt.of([LONG])
    (sentence,) = excerpt.sentences
    for seed in range(20):
        first, text = excerpt.quotation(sentence, np.random.default_rng(seed), before=range(2, 9), after=range(3, 6))
        assert 2 <= first <= 8
        assert 3 <= len(sentence.units) - first - QUOTED_UNITS <= 5
        assert text == sentence.cut(first, first + QUOTED_UNITS)
    assert excerpt.quotation(sentence, np.random.default_rng(0), before=range(len(sentence.units), 60)) is None


def test_words_have_letters_alone():
    (sentence,) = Excerpt.of([LONG]).sentences
    assert words_of(sentence, 7) == {"harbour", "northern", "entered"}


@pytest.mark.parametrize(
    "text", ["os.writev", "read_rows", "HTTPError", "104729", "2023-01-05", "张三丰", "connection"]
)
def test_rare_texts(text):
    assert is_rare(text)


@pytest.mark.parametrize("text", ["8", "ready", "format", "a b", "__init__", "object.__init__", "北京", "1,024"])
def test_common_texts_would_exclude_too_many_fillers(text):
    assert not is_rare(text)

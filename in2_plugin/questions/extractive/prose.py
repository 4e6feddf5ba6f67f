"""Forms of the extractive writer about prose: the answer is in one segment (paper, equation 1).

They differ in where the answer begins, seen from the quotation. Text that continues the quotation is easy to copy; to
find the beginning of a sentence or a line, a model must go back. Each form returns None when its random choice fails.
"""

from collections.abc import Iterable

import numpy as np

from in2_plugin.questions.extractive.quoting import (
    ANSWER_UNITS,
    QUOTED_UNITS,
    UNIT,
    Draft,
    Excerpt,
    Sentence,
    is_unspaced,
    neighbours,
    one_of,
)

EDGE_UNITS = 6
"""Units of an answer that is the beginning of a sentence or line; always the same, so that a model need not count."""


def _pick(sentences: Iterable[Sentence], rng: np.random.Generator, units: int = 0) -> Sentence | None:
    """Draw a sentence of at least `units` units."""
    return one_of([sentence for sentence in sentences if sentence.n_units >= units], rng)


def _short(excerpt: Excerpt) -> list[Sentence]:
    return [sentence for sentence in excerpt.sentences if sentence.is_short]


def _neighbours(excerpt: Excerpt, rng: np.random.Generator) -> tuple[Sentence, Sentence] | None:
    """Draw two consecutive sentences of a segment."""
    is_next = lambda a, b: (a.segment, a.order + 1) == (b.segment, b.order)  # noqa: E731
    return one_of(neighbours(excerpt.sentences, is_next), rng)


def _first(sentence: Sentence) -> str:
    return sentence.cut(0, QUOTED_UNITS)


def _last(sentence: Sentence) -> str:
    return sentence.cut(sentence.n_units - QUOTED_UNITS, sentence.n_units)


def _six(text: str) -> str | None:
    """Return "six words" or "six characters" for a text of `EDGE_UNITS` units; None when it mixes the two."""
    if not is_unspaced(text):
        return "six words"
    return "six characters" if len(text) == EDGE_UNITS else None


def words_after(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the rest of the sentence after the quotation."""
    sentence = _pick(excerpt.sentences, rng)
    if not sentence or not (found := excerpt.quotation(sentence, rng, after=ANSWER_UNITS)):
        return None
    first, piece = found
    answer = sentence.cut(first + QUOTED_UNITS, sentence.n_units)
    return excerpt.draft(f'How does the sentence go on after "{piece}"?', answer, sentence.segment, piece)


def next_sentence(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the sentence after the one that ends with the quotation."""
    if not (pair := _neighbours(excerpt, rng)) or not pair[1].is_short:
        return None
    piece, answer = _last(pair[0]), pair[1].text
    return excerpt.draft(f'Which sentence follows the one that ends with "{piece}"?', answer, pair[0].segment, piece)


def words_before(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the beginning of the sentence before the quotation."""
    sentence = _pick(excerpt.sentences, rng)
    if not sentence or not (found := excerpt.quotation(sentence, rng, before=ANSWER_UNITS)):
        return None
    first, piece = found
    question = f'How does the sentence begin that leads to "{piece}"?'
    return excerpt.draft(question, sentence.cut(0, first), sentence.segment, piece)


def sentence_start(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the first words of the sentence that the quotation ends."""
    sentence = _pick(excerpt.sentences, rng, EDGE_UNITS + QUOTED_UNITS)
    if not sentence or not (six := _six(answer := sentence.cut(0, EDGE_UNITS))):
        return None
    piece = _last(sentence)
    question = f'What are the first {six} of the sentence that ends with "{piece}"?'
    return excerpt.draft(question, answer, sentence.segment, piece)


def line_start(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the first words of the line, often a paragraph, that the quotation is in."""
    sentence = _pick(excerpt.sentences, rng)
    if not sentence or not (found := excerpt.quotation(sentence, rng)):
        return None
    piece, text = found[1], excerpt.texts[sentence.segment]
    at = text.index(piece)
    line = text[text.rfind("\n", 0, at) + 1 : at]  # a segment begins a line of its context
    units = [match.span() for match in UNIT.finditer(line)][:EDGE_UNITS]
    if len(units) < EDGE_UNITS or not line[units[0][0]].isalnum():  # bullets and marks are not words
        return None
    answer = line[units[0][0] : units[-1][1]]
    if not (six := _six(answer)):
        return None
    question = f'What are the first {six} of the line that has "{piece}" in it?'
    return excerpt.draft(question, answer, sentence.segment, piece)


def previous_start(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the first words of the sentence before the one that begins with the quotation."""
    if not (pair := _neighbours(excerpt, rng)) or not (six := _six(answer := pair[0].cut(0, EDGE_UNITS))):
        return None
    piece = _first(pair[1])
    question = f'What are the first {six} of the sentence just before the one that begins with "{piece}"?'
    return excerpt.draft(question, answer, pair[0].segment, piece)


def previous_sentence(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the sentence before the one that begins with the quotation."""
    if not (pair := _neighbours(excerpt, rng)) or not pair[0].is_short:
        return None
    piece, answer = _first(pair[1]), pair[0].text
    return excerpt.draft(
        f'Which sentence comes before the one that begins with "{piece}"?', answer, pair[0].segment, piece
    )


def sentence_ending(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the whole sentence that the quotation ends."""
    if not (sentence := _pick(_short(excerpt), rng)):
        return None
    piece = _last(sentence)
    return excerpt.draft(
        f'What is the whole sentence that ends with "{piece}"?', sentence.text, sentence.segment, piece
    )


def sentence_with(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the whole sentence around the quotation."""
    sentence = _pick(_short(excerpt), rng)
    if not sentence or not (found := excerpt.quotation(sentence, rng)):
        return None
    question = f'What is the whole sentence that has "{found[1]}" in it?'
    return excerpt.draft(question, sentence.text, sentence.segment, found[1])


def missing_words(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the words between two quotations."""
    half, length = QUOTED_UNITS // 2, int(rng.choice(ANSWER_UNITS[:5]))
    sentence = _pick(excerpt.sentences, rng, 2 * half + length)
    if not sentence:
        return None
    gap = int(rng.integers(half, sentence.n_units - half - length + 1))
    left, right = sentence.cut(gap - half, gap), sentence.cut(gap + length, gap + length + half)
    answer = sentence.cut(gap, gap + length)
    return excerpt.draft(f'Which words stand between "{left}" and "{right}"?', answer, sentence.segment, left, right)

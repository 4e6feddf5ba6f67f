"""Forms of the extractive writer about prose: the answer is in one segment (paper, equation 1).

The forms differ in the position of the answer relative to the quotation: after it, before it, around it, inside it, or
in the next sentence. Each returns None when its random choice fails; the caller tries the next form.
"""

import numpy as np

from in2_plugin.questions.extractive.quoting import MIN_ANSWER_UNITS, QUOTED_UNITS, Draft, Excerpt, Sentence


def _pick(excerpt: Excerpt, rng: np.random.Generator) -> Sentence | None:
    return excerpt.sentences[rng.integers(len(excerpt.sentences))] if excerpt.sentences else None


def words_after(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the words after the quotation."""
    sentence = _pick(excerpt, rng)
    if not sentence or not (found := excerpt.quotation(sentence, 0, MIN_ANSWER_UNITS, rng)):
        return None
    first, piece = found
    answer = sentence.cut(first + QUOTED_UNITS, len(sentence.units))
    return Draft(f'How does the sentence go on after "{piece}"?', answer, (sentence.segment,), (piece, answer))


def words_before(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the words before the quotation."""
    sentence = _pick(excerpt, rng)
    if not sentence or not (found := excerpt.quotation(sentence, MIN_ANSWER_UNITS, 0, rng)):
        return None
    first, piece = found
    answer = sentence.cut(0, first)
    return Draft(f'How does the sentence begin that leads to "{piece}"?', answer, (sentence.segment,), (piece, answer))


def sentence_with(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the whole sentence around the quotation."""
    sentence = _pick(excerpt, rng)
    if not sentence or not (found := excerpt.quotation(sentence, 0, 0, rng)):
        return None
    piece = found[1]
    question = f'What is the whole sentence that has "{piece}" in it?'
    return Draft(question, sentence.text, (sentence.segment,), (piece,))


def missing_words(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the words between two quotations."""
    sentence = _pick(excerpt, rng)
    half = QUOTED_UNITS // 2
    if not sentence or len(sentence.units) < 2 * half + MIN_ANSWER_UNITS:
        return None
    gap = int(rng.integers(half, len(sentence.units) - half - MIN_ANSWER_UNITS + 1))
    left, right = (
        sentence.cut(gap - half, gap),
        sentence.cut(gap + MIN_ANSWER_UNITS, gap + MIN_ANSWER_UNITS + half),
    )
    if not (excerpt.has_once(left) and excerpt.has_once(right)):
        return None
    answer = sentence.cut(gap, gap + MIN_ANSWER_UNITS)
    question = f'Which words stand between "{left}" and "{right}"?'
    return Draft(question, answer, (sentence.segment,), (left, right, answer))


def next_sentence(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the sentence after the one that ends with the quotation."""
    pairs = [
        (one, other)
        for one, other in zip(excerpt.sentences, excerpt.sentences[1:], strict=False)
        if one.segment == other.segment and one.order + 1 == other.order
    ]
    if not pairs:
        return None
    one, other = pairs[rng.integers(len(pairs))]
    piece = one.cut(len(one.units) - QUOTED_UNITS, len(one.units))
    if not excerpt.has_once(piece):
        return None
    question = f'Which sentence follows the one that ends with "{piece}"?'
    return Draft(question, other.text, (one.segment,), (piece, other.text))

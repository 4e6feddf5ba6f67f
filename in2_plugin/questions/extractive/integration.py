"""Integration forms of the extractive writer: the answer needs two segments of one document (paper, equation 2).

Each form quotes two sentences of different segments, and asks for something that neither segment states alone.
"""

import numpy as np

from in2_plugin.questions.extractive.quoting import ANSWER_UNITS, QUOTED_UNITS, Draft, Excerpt, Sentence, words_of

TRIES = 4
"""Pairs of sentences that a form tries per document."""
WORDS = 16
"""Words that two sentences share, of which few have a quotable text before them."""


def _pairs(excerpt: Excerpt, rng: np.random.Generator) -> list[tuple[Sentence, Sentence]]:
    """Draw random pairs of sentences of different segments."""
    if len(excerpt.sentences) < 2:
        return []
    picks = (rng.choice(len(excerpt.sentences), size=2, replace=False) for _ in range(TRIES))
    pairs = ((excerpt.sentences[a], excerpt.sentences[b]) for a, b in picks)
    return [(one, other) for one, other in pairs if one.segment != other.segment]


def rest_of_both(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask how two sentences continue: two look-ups in one answer."""
    for one, other in _pairs(excerpt, rng):
        first = excerpt.quotation(one, rng, after=ANSWER_UNITS)
        second = excerpt.quotation(other, rng, after=ANSWER_UNITS)
        if first and second:
            rests = [s.cut(at + QUOTED_UNITS, s.n_units) for s, (at, _) in ((one, first), (other, second))]
            question = (
                f'How do these two sentences go on, the first after "{first[1]}", the second after "{second[1]}"?'
            )
            return Draft(question, " / ".join(rests), (one.segment, other.segment), (first[1], second[1], *rests))
    return None


def both_beginnings(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask how two sentences begin: two look-ups in one answer."""
    for one, other in _pairs(excerpt, rng):
        first = excerpt.quotation(one, rng, before=ANSWER_UNITS)
        second = excerpt.quotation(other, rng, before=ANSWER_UNITS)
        if first and second:
            beginnings = [s.cut(0, at) for s, (at, _) in ((one, first), (other, second))]
            question = (
                f'How do these two sentences begin, the one that leads to "{first[1]}" and the one that leads to '
                f'"{second[1]}"?'
            )
            exclusive = (first[1], second[1], *beginnings)
            return Draft(question, " / ".join(beginnings), (one.segment, other.segment), exclusive)
    return None


def shared_word(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the only longer word that two sentences share: a comparison."""
    letters = 6
    for one, other in _pairs(excerpt, rng):
        shared = words_of(one, letters) & words_of(other, letters)
        first, second = excerpt.quotation(one, rng), excerpt.quotation(other, rng)
        if len(shared) != 1 or not first or not second:
            continue
        word = shared.pop()
        if word in first[1].casefold() or word in second[1].casefold():
            continue  # the question would give it away
        question = (
            f"Which word of {letters} or more letters is in both of these sentences, "
            f'the one with "{first[1]}" and the one with "{second[1]}"?'
        )
        return Draft(question, word, (one.segment, other.segment), (first[1], second[1], word))
    return None


def other_sentence_with_word(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for a sentence in two hops: from the quotation to a word, and to the only other sentence with it."""
    uses: dict[str, list[Sentence]] = {}
    for sentence in excerpt.sentences:
        for word in words_of(sentence, 5):
            uses.setdefault(word, []).append(sentence)
    pairs = [(word, two) for word, two in sorted(uses.items()) if len(two) == 2 and two[0].segment != two[1].segment]
    for at in rng.permutation(len(pairs))[:WORDS]:
        word, two = pairs[at]
        one, other = two if rng.random() < 0.5 else two[::-1]
        if other.is_short and excerpt.folded.count(word) == 2 and (draft := _bridge(excerpt, one, other, word)):
            return draft
    return None


def _bridge(excerpt: Excerpt, one: Sentence, other: Sentence, word: str) -> Draft | None:
    """Quote the text before `word` in one sentence; the answer is the other sentence."""
    at = next(i for i, (a, b) in enumerate(one.units) if one.text[a:b].strip(".,;:!?()[]'").casefold() == word)
    if at < QUOTED_UNITS:
        return None
    piece = one.cut(at - QUOTED_UNITS, at)
    if not excerpt.has_once(piece):
        return None
    question = f'The word that comes after "{piece}" is in one other sentence as well. What is that sentence?'
    return Draft(question, other.text, (one.segment, other.segment), (piece, word, other.text))


def longer_sentence(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the longer of two sentences: a comparison."""
    for one, other in _pairs(excerpt, rng):
        first, second = excerpt.quotation(one, rng), excerpt.quotation(other, rng)
        longer = max((one, other), key=lambda sentence: len(sentence.text))
        if not first or not second or not longer.is_short or abs(len(one.text) - len(other.text)) < 20:
            continue  # a difference of a few letters tests counting, not reading
        question = f'Which sentence is longer, the one with "{first[1]}" or the one with "{second[1]}"?'
        return Draft(question, longer.text, (one.segment, other.segment), (first[1], second[1]))
    return None

"""Split passages into sentences and select quotations from them.

A *unit* is a run of non-space characters, or one character of a script written without spaces, so the same rules work
for English and Chinese. Invariant: a quotation occurs exactly once in its excerpt, ignoring case.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from in2_plugin.corpus.sentences import sentence_spans

UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1780-\u17ff"
"""Character class of scripts written without spaces."""
UNIT = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
QUOTED_UNITS = 8
"""Units per quotation; VAL also quotes 8 words (paper, section 4.1)."""
SENTENCE_UNITS = range(QUOTED_UNITS + 4, 61)
MIN_ANSWER_UNITS = 4
"""Shorter answers occur elsewhere by chance, and every segment that contains the answer is lost as filler."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an excerpt."""

    segment: int
    """Index of the segment in the excerpt."""
    order: int
    """Index among all sentences of the segment, quotable or not."""
    text: str
    units: tuple[tuple[int, int], ...]
    """Character ranges of the units."""

    def cut(self, first: int, last: int) -> str:
        """Return the text of units `first` to `last`, exclusive."""
        return self.text[self.units[first][0] : self.units[last - 1][1]]


@dataclass(frozen=True, slots=True)
class Draft:
    """A question before segment ids are assigned."""

    question: str
    answer: str
    segments: tuple[int, ...]
    exclusive: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The texts of a passage, with the sentences that can be quoted."""

    texts: tuple[str, ...]
    folded: str
    """The texts in lower case (case-folded), joined by line breaks."""
    sentences: tuple[Sentence, ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Excerpt":
        """Find the quotable sentences: on one line, of medium length, without quotation marks, occurring once."""
        folded = "\n".join(texts).casefold()
        found = (sentence for index, text in enumerate(texts) for sentence in _sentences(index, text))
        return cls(tuple(texts), folded, tuple(s for s in found if folded.count(s.text.casefold()) == 1))

    def has_once(self, text: str) -> bool:
        """Return True when `text` occurs exactly once."""
        return self.folded.count(text.casefold()) == 1

    def quotation(
        self, sentence: Sentence, before: int, after: int, rng: np.random.Generator
    ) -> tuple[int, str] | None:
        """Draw a quotation with at least `before` units to its left and `after` to its right.

        Returns the number of its first unit and its text, or None when the drawn quotation is not unique.
        """
        last = len(sentence.units) - after - QUOTED_UNITS
        if last < before:
            return None
        first = int(rng.integers(before, last + 1))
        text = sentence.cut(first, first + QUOTED_UNITS)
        return (first, text) if self.has_once(text) else None


def _sentences(segment: int, text: str) -> list[Sentence]:
    found = []
    for order, (start, stop) in enumerate(sentence_spans(text)):
        sentence = text[start:stop].strip()
        units = tuple(match.span() for match in UNIT.finditer(sentence))
        if len(units) in SENTENCE_UNITS and "\n" not in sentence and '"' not in sentence:
            found.append(Sentence(segment, order, sentence, units))
    return found


def words_of(sentence: Sentence, min_letters: int) -> set[str]:
    """Return the case-folded alphabetic words of a sentence with at least `min_letters` letters."""
    stripped = (sentence.text[a:b].strip(".,;:!?()[]'") for a, b in sentence.units)
    return {word.casefold() for word in stripped if word.isalpha() and len(word) >= min_letters}

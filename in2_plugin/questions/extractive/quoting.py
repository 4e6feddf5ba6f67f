"""Split passages into sentences and select quotations from them.

A *unit* is a run of non-space characters, or one character of a script written without spaces, so the same rules work
for English and Chinese. Invariant: a quotation occurs exactly once in its excerpt, ignoring case.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from in2_plugin.corpus.sentences import sentence_spans
from in2_plugin.questions.extractive.code_lines import looks_like_code

UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1780-\u17ff"
"""Character class of scripts written without spaces."""
UNIT = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
_UNSPACED = re.compile(rf"[{UNSPACED}]")
QUOTED_UNITS = 8
"""Units per quotation; VAL also quotes 8 words (paper, section 4.1)."""
MIN_ANSWER_UNITS = 4
"""Shorter answers occur elsewhere by chance, and every segment that contains the answer is lost as filler."""
ANSWER_UNITS = range(MIN_ANSWER_UNITS, 13)
"""Units of an answer that is part of a sentence. In longer answers, the tokens that only copy on have most of the loss,
and the few that decide where to copy from hardly count."""
WHOLE_UNITS = 30
"""Most units of an answer that is a whole sentence; twice as many in a script without spaces."""
SENTENCE_UNITS = range(QUOTED_UNITS + MIN_ANSWER_UNITS, 61)
ANY_UNITS = range(SENTENCE_UNITS.stop)
RARE_WORDS_LETTERS, RARE_LETTERS = 10, 6
"""Characters of a rare text of plain words alone, and of one with digits, capitals inside a word, or punctuation: at
this length nine of ten names of the Python documentation occur in less than 1% of its segments; `format` is in 8%."""
PICKS = 6
"""Random elements that a form looks at."""
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Sentence:
    """One sentence of an excerpt."""

    segment: int
    """Index of the segment in the excerpt."""
    order: int
    """Index among all sentences of the segment, quotable or not."""
    text: str
    n_units: int

    @cached_property
    def units(self) -> tuple[tuple[int, int], ...]:
        """Character ranges of the units."""
        return tuple(match.span() for match in UNIT.finditer(self.text))

    def cut(self, first: int, last: int) -> str:
        """Return the text of units `first` to `last`, exclusive."""
        return self.text[self.units[first][0] : self.units[last - 1][1]]

    @property
    def is_short(self) -> bool:
        """True if the whole sentence can be an answer."""
        return self.n_units <= WHOLE_UNITS * (2 if is_unspaced(self.text) else 1)


@dataclass(frozen=True, slots=True)
class Draft:
    """A question before segment ids are assigned."""

    question: str
    answer: str
    segments: tuple[int, ...]
    exclusive: tuple[str, ...]


@dataclass(frozen=True)
class Excerpt:
    """The texts of a passage. Sentences are found when a form needs them, which takes longer than all the rest."""

    texts: tuple[str, ...]
    folded: str
    """The texts in lower case (case-folded), joined by line breaks."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Excerpt":
        """Return the excerpt of the texts of a passage."""
        return cls(tuple(texts), "\n".join(texts).casefold())

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """The quotable sentences: on one line, of medium length, without quotation marks, occurring once."""
        return tuple(self._find_sentences())

    @property
    def has_sentences(self) -> bool:
        """True if a sentence can be quoted."""
        return next(self._find_sentences(), None) is not None

    def _find_sentences(self) -> Iterator[Sentence]:
        found = (Sentence(i, *each) for i, text in enumerate(self.texts) for each in _sentences(text))
        return (sentence for sentence in found if self.has_once(sentence.text))

    def has_once(self, text: str) -> bool:
        """Return True when `text` occurs exactly once."""
        return self.folded.count(text.casefold()) == 1

    def quotation(
        self, sentence: Sentence, rng: np.random.Generator, *, before: range = ANY_UNITS, after: range = ANY_UNITS
    ) -> tuple[int, str] | None:
        """Draw a quotation with a number of units in `before` to its left and one in `after` to its right.

        Returns the number of its first unit and its text, or None when there is none, or the drawn one is not unique.
        """
        n = sentence.n_units - QUOTED_UNITS
        first, last = max(before.start, n - after.stop + 1), min(before.stop - 1, n - after.start)
        if last < first:
            return None
        at = int(rng.integers(first, last + 1))
        text = sentence.cut(at, at + QUOTED_UNITS)
        return (at, text) if self.has_once(text) else None

    def draft(self, question: str, answer: str, segment: int, *quoted: str) -> Draft | None:
        """Return a fine-grained question, or None unless its quotations and its answer occur exactly once."""
        if not all(map(self.has_once, (*quoted, answer))):
            return None
        # an answer around a quotation cannot occur without it
        exclusive = quoted if any(text in answer for text in quoted) else (*quoted, answer)
        return Draft(question, answer, (segment,), exclusive)


def some_of(found: Sequence[_Found], rng: np.random.Generator) -> Iterator[_Found]:
    """Yield up to `PICKS` random elements."""
    return (found[i] for i in rng.permutation(len(found))[:PICKS])


def one_of(found: Sequence[_Found], rng: np.random.Generator) -> _Found | None:
    """Draw an element; None if there is none."""
    return found[int(rng.integers(len(found)))] if found else None


def neighbours(found: Sequence[_Found], is_next: Callable[[_Found, _Found], bool]) -> list[tuple[_Found, _Found]]:
    """Return the pairs of consecutive elements of which the second one is next to the first."""
    return [(one, other) for one, other in pairwise(found) if is_next(one, other)]


@lru_cache(maxsize=512)
def _sentences(text: str) -> list[tuple[int, str, int]]:
    """Return order, text and number of units of the sentences of a text that may be quoted."""
    found = []
    for order, (start, stop) in enumerate(sentence_spans(text)):
        sentence = text[start:stop].strip()
        if "\n" in sentence or '"' in sentence or not _begins(sentence):
            continue
        n_units = len(UNIT.findall(sentence))
        if n_units in SENTENCE_UNITS and not _has_other_style(sentence):
            found.append((order, sentence, n_units))
    return found


def _begins(sentence: str) -> bool:
    """Return False for text that begins with a closing bracket or quotation mark: it was cut inside a sentence."""
    return unicodedata.category(sentence[0]) not in ("Pe", "Pf")


def _has_other_style(sentence: str) -> bool:
    """Return True for a row of a table and for a line of code, which have forms of their own."""
    return "|" in sentence or looks_like_code(sentence)


def is_unspaced(text: str) -> bool:
    """Return True if `text` has a character of a script written without spaces."""
    return _UNSPACED.search(text) is not None


def words_of(sentence: Sentence, min_letters: int) -> set[str]:
    """Return the case-folded alphabetic words of a sentence with at least `min_letters` letters."""
    stripped = (sentence.text[a:b].strip(".,;:!?()[]'") for a, b in sentence.units)
    return {word.casefold() for word in stripped if word.isalpha() and len(word) >= min_letters}


def is_rare(text: str) -> bool:
    """Return True if few other segments contain `text` by chance, so that it costs few fillers.

    A character of a script without spaces counts as two. Special methods such as `__init__` are in every class.
    """
    words = text.split()
    letters = sum(map(len, words)) + len(_UNSPACED.findall(text))
    is_plain = all(word.isalpha() and (word.islower() or word[1:].islower()) for word in words)
    is_special = text.rpartition(".")[2].startswith("__") and text.endswith("__")
    return letters >= (RARE_WORDS_LETTERS if is_plain else RARE_LETTERS) and not is_special

"""Find the quotations and the answer of a question in other texts of its context, and in what a model answers.

Quotations match anywhere; an answer matches as whole words, so that "Iran" is not found in "Tirana". In scripts without
spaces every character is a word, and answers of a single character are ignored because most texts contain them.
Invariant: matching ignores case.
"""

import re
import unicodedata
from collections.abc import Iterable

from in2_plugin.questions.extractive.quoting import UNIT, UNSPACED

_BESIDE_UNSPACED = re.compile(rf"(?<=[{UNSPACED}]) | (?=[{UNSPACED}])")
_ENDS = ".。!！?？;；,，:：\"'“”‘’「」()（）"


def core(answer: str) -> str:
    """Case-fold an answer and strip punctuation at its ends; return an empty string if it is too common to match."""
    found = without_ends(answer).casefold()
    return "" if len(found) == 1 and _is_dense(found) else found


def without_ends(answer: str) -> str:
    """Return an answer without white space and punctuation at its ends."""
    return answer.strip().strip(_ENDS).strip()


class Forbidden:
    """Texts that must not occur in the context of a question outside its gold segments."""

    def __init__(self, exclusive: Iterable[str], answers: Iterable[str]) -> None:
        self._quotes = [text.casefold() for text in exclusive]
        # an answer that contains a quotation cannot be in a text without it
        self._answers = [text for text in map(core, answers) if text and not any(it in text for it in self._quotes)]

    def found_in(self, folded: str) -> str | None:
        """Return the first of them that a case-folded text contains, or None."""
        for text in self._quotes:
            if text in folded:
                return text
        for text in self._answers:
            if text in folded and has_words(folded, text):
                return text
        return None


def has_words(folded: str, words: str) -> bool:
    """Return True if a case-folded text contains these words as whole words."""
    at = folded.find(words)
    while at >= 0:
        if _is_edge(folded, at) and _is_edge(folded, at + len(words)):
            return True
        at = folded.find(words, at + 1)
    return False


def contains_answer(text: str, answer: str) -> bool:
    """Return True if a text contains an answer as whole words.

    Case, compatibility forms (NFKC), white space, and punctuation at the ends of the answer do not matter. In scripts
    without spaces every character is a word, and white space between them is ignored.
    """
    return has_words(fold(text), fold(without_ends(answer) or answer))


def fold(text: str) -> str:
    """Return a text as `contains_answer` compares it: case and compatibility forms folded, white space normalized."""
    return _BESIDE_UNSPACED.sub("", " ".join(unicodedata.normalize("NFKC", text).casefold().split()))


def _is_edge(text: str, at: int) -> bool:
    """Return True when no word continues from text[at - 1] to text[at]."""
    if not 0 < at < len(text):
        return True
    before, after = text[at - 1], text[at]
    return not (before.isalnum() and after.isalnum()) or _is_dense(before) or _is_dense(after)


def _is_dense(character: str) -> bool:
    return not character.isascii() and UNIT.match(character + "x").end() == 1  # type: ignore[union-attr]

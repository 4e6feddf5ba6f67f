"""Compare an answer that a teacher wrote with the stored one.

A written answer is verified if it contains the stored one as whole words, which is how position probes score free
answers. Invariant: an answer that cannot be rendered, or was not finished, is never verified.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from in2_plugin.answer_text import answer_text, open_tag
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.examples.template import Template
from in2_plugin.questions.leaks import contains_answer, fold, without_ends
from in2_plugin.teaching.writing.decoding import WrittenTokens

UNKNOWN_CHARACTER = "\ufffd"
"""What bytes that are no text are decoded to."""
PROMPT_END = 16
"""Tokens at the end of a prompt in which a thought may open."""


class AnswerOutcome(StrEnum):
    """What became of the answer to a question."""

    VERIFIED = "verified"
    """It contains the stored answer, and replaces it."""
    UNVERIFIED = "unverified"
    """It does not contain the stored answer."""
    TRUNCATED = "truncated"
    """It has no end within the limit of new tokens."""
    EMPTY = "empty"
    """There is none, or none after a thought."""
    UNUSABLE = "unusable"
    """It has the text of a special token, or characters that the tokenizer cannot spell."""
    OUTSIDE_LENGTHS = "outside_lengths"
    """It is verified, but the example with it would be longer or shorter than the build file allows."""


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """One answer with its outcome."""

    text: str
    """Without thoughts and surrounding white space."""
    outcome: AnswerOutcome
    n_tokens: int
    """Tokens that were written, thoughts included."""


class AnswerVerifier:
    """Decodes and checks written answers."""

    def __init__(self, tokenizer: TextTokenizer, template: Template) -> None:
        self._tokenizer, self._template = tokenizer, template

    def check(self, prompt: Sequence[int], written: WrittenTokens, stored: str) -> CheckedAnswer:
        """Return a written answer with its outcome.

        Args:
            prompt: token ids that it follows, which may open a thought.
            stored: the answer of the dataset.
        """
        opened = open_tag(self._tokenizer.decode(prompt[-PROMPT_END:]))
        whole = self._tokenizer.decode(written.ids)
        answer = answer_text(opened + whole)
        text = (whole if answer is None else answer).strip()
        outcome = self._outcome(answer, text, stored) if written.has_end else AnswerOutcome.TRUNCATED
        return CheckedAnswer(text, outcome, len(written.ids))

    def _outcome(self, answer: str | None, text: str, stored: str) -> AnswerOutcome:
        if answer is None or not text:
            return AnswerOutcome.EMPTY
        if self._template.spells_special_token(text) or not self._can_spell(text):
            return AnswerOutcome.UNUSABLE
        return AnswerOutcome.VERIFIED if contains_answer(text, stored) else AnswerOutcome.UNVERIFIED

    def _can_spell(self, text: str) -> bool:
        return UNKNOWN_CHARACTER not in text and self._tokenizer.can_spell(text)


def says_the_same(text: str, stored: str) -> bool:
    """Return True if an answer is the stored one, ignoring what `contains_answer` ignores."""
    return fold(without_ends(text)) == fold(without_ends(stored))

"""Reward answers that equal the stored answer, or contain it, or are contained in it.

Invariant: an answer of which only a part agrees earns the share of that part. Repeating the context therefore earns
next to nothing, but a word of a short answer is a large share: "the" earns 1/3 for "the red fox".
"""

import re
import unicodedata
from collections.abc import Sequence

from in2_plugin.questions.extractive.quoting import UNSPACED
from in2_plugin.rewards.reply import Text, reply_of

Rewards = list[float | None]
_LETTER, _SIGN = rf"[^\W{UNSPACED}]", r"[^\w\s]"
_UNIT = re.compile(rf"[{UNSPACED}]|{_LETTER}(?:{_LETTER}|(?<=\d)[.,](?=\d))*|{_SIGN}")
"""A word, a number with its separators, a character of a script without spaces, or any other sign: `a - b` is not
`a + b`, and 5 is no part of 1.5."""
_MARK = re.compile(rf"(?![{UNSPACED}]){_SIGN}")
"""A sign that may be a combining mark, such as the vowels of Devanagari, which `\\w` does not match."""
_ENDS = ".。!！?？,，;；:：\"'“”‘’「」`*"


def answer(prompts: Sequence[Text], completions: Sequence[Text], answer: Sequence[str | None], **_: object) -> Rewards:
    """Return 1 for the stored answer; if one of the two contains the other, the share of the longer one that agrees.

    Case, compatibility forms (NFKC), white space, and punctuation at both ends do not matter. Parts are whole words,
    numbers and signs, so that "Iran" is not a part of "Tirana"; signs alone are no part. LoongRL (arXiv 2510.19363)
    rewards both directions of containment with 1; the share keeps long answers from being worth as much as right ones.
    """
    return [
        None if gold is None else agreement(gold, reply_of(prompt, completion).answer)
        for prompt, completion, gold in zip(prompts, completions, answer, strict=True)
    ]


def exact_answer(
    prompts: Sequence[Text], completions: Sequence[Text], answer: Sequence[str | None], **_: object
) -> Rewards:
    """Return 1 for the stored answer, character by character except for white space around it, and 0 otherwise."""
    return [
        None if gold is None else float(reply_of(prompt, completion).answer == gold.strip())
        for prompt, completion, gold in zip(prompts, completions, answer, strict=True)
    ]


def agreement(gold: str, given: str) -> float:
    """Return 1 for equal texts, the share of the longer one if one contains the other, and 0 otherwise."""
    shorter, longer = sorted((_units(gold), _units(given)), key=len)
    if shorter == longer:
        return float(bool(shorter))
    if not any(map(str.isalnum, "".join(shorter))):
        return 0.0  # a comma is in many answers
    places = range(len(longer) - len(shorter) + 1)
    contained = any(longer[at : at + len(shorter)] == shorter for at in places)
    return len(shorter) / len(longer) if contained else 0.0


def _units(written: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", written).casefold().strip()
    text = folded.strip(_ENDS) or folded
    shape = _MARK.sub(lambda sign: "x" if unicodedata.category(sign[0]).startswith("M") else sign[0], text)
    return [text[unit.start() : unit.end()] for unit in _UNIT.finditer(shape)]

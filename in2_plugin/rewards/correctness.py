"""Reward answers that equal the stored answer, or contain it, or are contained in it.

Invariant: repeating the context or naming one common word earns next to nothing, because an answer of which only a part
agrees earns the share of that part.
"""

import re
import unicodedata
from collections.abc import Sequence

from in2_plugin.questions.extractive.quoting import UNSPACED
from in2_plugin.rewards.reply import Text, reply_of

Rewards = list[float | None]
_UNIT = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]")
"""A word, a character of a script without spaces, or any other sign: `a - b` is not `a + b`."""
_ENDS = ".。!！?？,，;；:：\"'“”‘’「」`*"


def answer(prompts: Sequence[Text], completions: Sequence[Text], answer: Sequence[str | None], **_: object) -> Rewards:
    """Return 1 for the stored answer; if one of the two contains the other, the share of the longer one that agrees.

    Case, compatibility forms (NFKC), white space, and punctuation at both ends do not matter. Parts are whole words
    and signs, so that "Iran" is not a part of "Tirana". LoongRL (arXiv 2510.19363) rewards both directions of
    containment with 1; the share keeps long answers from being worth as much as right ones.
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
    if not shorter:
        return 0.0
    places = range(len(longer) - len(shorter) + 1)
    contained = any(longer[at : at + len(shorter)] == shorter for at in places)
    return len(shorter) / len(longer) if contained else 0.0


def _units(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    return _UNIT.findall(folded.strip(_ENDS) or folded)

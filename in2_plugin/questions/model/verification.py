"""Check written questions with a model: a judge answers the question, and its answer is compared with the writer's.

`answerable` (the gold segments must suffice) costs one request, or two when the answers are worded differently.
`closed_book` (no text must not suffice) costs one, or two when the judge gives an answer. `needs_all` (a single gold
segment must not suffice) costs the same per gold segment. The first failed check ends the verification. An empty answer
of the judge fails every check: a check that was not made never passes. The paper makes no such checks.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from in2_plugin.answer_text import answer_text
from in2_plugin.config.questions import Check
from in2_plugin.questions.model.checks import words

AskJudge = Callable[[str, str], Awaitable[str]]
"""(prompt, purpose) -> text of the judge's answer."""

UNANSWERABLE = "UNANSWERABLE"
AGREE_LITERALLY = 0.8
"""Minimum word F1 at which two answers with the same numbers agree without a grading request."""
_VERDICT = re.compile(r"\b(NOT (?:THE )?SAME|SAME|DIFFERENT)\b")

_WITH = f"""Answer the question from the text at the end and from nothing else. Be brief. If the text does not hold the
answer, reply with the single word {UNANSWERABLE}.

Question: """
_WITHOUT = f"""Answer the question from what you know. Be brief. If you do not know the answer for sure, reply with the
single word {UNANSWERABLE}.

Question: """
_GRADE = """Two people answered the same question. Do their answers say the same? Differences of wording and of detail
that the question does not ask for do not matter. Reply with one word: SAME or DIFFERENT.

Question: """


@dataclass(frozen=True, slots=True)
class Distractor:
    """A filler segment in the context of a question."""

    question: str
    segment: int
    text: str


async def is_answered(distractor: Distractor, ask: AskJudge) -> bool:
    """Return True when a judge that sees only the filler gives any answer, or an empty one."""
    prompt = f"{_WITH}{distractor.question}\n\nText:\n{distractor.text}"
    return UNANSWERABLE not in (await _answer(ask, prompt, "distractor")).upper()


async def _answer(ask: AskJudge, prompt: str, purpose: str) -> str:
    """Return the judge's answer without its thoughts; empty if they never end."""
    return (answer_text(await ask(prompt, purpose)) or "").strip()


class _NoVerdict(Exception):
    """The judge gave an empty answer, or neither SAME nor DIFFERENT, or both."""


async def verify(question: str, answer: str, gold: Sequence[str], checks: Sequence[Check], ask: AskJudge) -> str | None:
    """Return the first reason to reject a question, or None when it passes all `checks`.

    The checks run in the order of their cost.

    Args:
        gold: texts of the gold segments.
        ask: sends a prompt to the judge; its errors propagate.
    """
    try:
        if "answerable" in checks and not await _agrees(question, answer, "answerable", gold, ask):
            return "a judge that saw the gold segments gave another answer"
        if "closed_book" in checks and await _agrees(question, answer, "closed_book", (), ask):
            return "a judge that saw nothing gave the answer"
        if "needs_all" in checks:
            for text in gold:
                if await _agrees(question, answer, "needs_all", (text,), ask):
                    return "a judge that saw one segment alone gave the answer"
    except _NoVerdict:
        return "the judge gave no verdict"
    return None


async def _agrees(question: str, answer: str, purpose: Check, seen: Sequence[str], ask: AskJudge) -> bool:
    """Return True when a judge that sees these texts gives the same answer."""
    prompt = f"{_WITH}{question}\n\nText:\n" + "\n\n".join(seen) if seen else f"{_WITHOUT}{question}"
    given = await _answer(ask, prompt, purpose)
    if not given:
        raise _NoVerdict
    if UNANSWERABLE in given.upper():
        return False
    if _numbers(given) == _numbers(answer) and word_f1(given, answer) >= AGREE_LITERALLY:
        return True
    prompt = f"{_GRADE}{question}\nFirst answer: {answer}\nSecond answer: {given}"
    grade = await _answer(ask, prompt, "agreement")
    verdicts: set[bool] = {found == "SAME" for found in _VERDICT.findall(grade.upper())}
    if len(verdicts) != 1:
        raise _NoVerdict
    return verdicts.pop()


def _numbers(text: str) -> list[str]:
    return [word for word in words(text) if word.isdecimal()]


def word_f1(one: str, other: str) -> float:
    """Return the F1 over words (characters in scripts without spaces), in [0, 1]."""
    first, second = Counter(words(one)), Counter(words(other))
    shared = sum((first & second).values())
    return 2 * shared / (first.total() + second.total()) if shared else 0.0

"""Choose answers to show side by side, from the samples that lm_eval logs beside its results.

Invariant: the first fitting questions by number, so equal results give equal pages. Cost: one pass over each log,
one row in memory; a log of 3,000 prompts of 32K tokens has 400 MB.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from in2_plugin.probing.judging.logged_answers import DATE, AnswerLog, LoggedAnswer, read_answers
from in2_plugin.probing.position.scores import FINE_GRAINED
from in2_plugin.reporting.results import TaskResult

SHOWN = 5
"""Questions that one model answers only at the end."""
SHOWN_BESIDE = 3
"""Questions that only the later model answers; they follow the curve directly."""
LONGEST = 400
"""Characters of a question or an answer that the page shows; the JSON file has all."""
HOW_TO_LOG = "For examples of answers, run lm_eval with `--log_samples` and the same `--output_path`."


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """One question with two answers."""

    question: str
    gold: str
    first: str
    """The right answer at the end, or the wrong one before."""
    second: str
    """The wrong answer in the middle, or the right one after."""
    depths: tuple[float, float]
    """Relative depth of the gold for each answer."""


Answers = Mapping[tuple[int, int], LoggedAnswer]
"""Those to questions with one gold, by question and depth, at one length."""


def logged_answers(result: TaskResult) -> Answers:
    """Return the logged answers of a task at the length of `result`; empty without a log."""
    path = log_of(result)
    if path is None:
        return {}
    log = AnswerLog(path, result.name, path.stem.removeprefix(f"samples_{result.name}_"))
    return {
        (one.question, one.depth): one
        for one in read_answers(log)
        if one.length == result.key.length and one.kind == FINE_GRAINED
    }


def log_of(result: TaskResult) -> Path | None:
    """Return the samples that lm_eval wrote together with a results file."""
    # results_DATE.json, or NAME_DATE.json with `--output_path NAME.json`
    date = re.search(f"{DATE}$", result.file.stem)
    path = result.file.with_name(f"samples_{result.name}_{date[0]}.jsonl") if date else None
    return path if path and path.is_file() else None


def lost_in_the_middle(result: TaskResult) -> list[AnswerPair]:
    """Return questions that were answered right at the end of the context and wrong in its middle."""
    answers = logged_answers(result)
    end = len(result.spans) - 1
    pairs = []
    for question in sorted({question for question, _ in answers}):
        right = answers.get((question, end))
        wrong = [one for depth in _middle(result) if (one := answers.get((question, depth))) and not one.contained]
        if right and right.contained and wrong:
            pairs.append(_pair(right, wrong[0]))
    return pairs[:SHOWN]


def found_after(before: TaskResult, after: TaskResult) -> list[AnswerPair]:
    """Return questions about the middle that were answered wrong before and right after, one depth each."""
    first, second = logged_answers(before), logged_answers(after)
    pairs: dict[int, AnswerPair] = {}
    for depth in _middle(before):
        for question in sorted({question for question, _ in first}):
            old, new = first.get((question, depth)), second.get((question, depth))
            if question not in pairs and old and new and not old.contained and new.contained:
                pairs[question] = _pair(old, new)
    return [pairs[question] for question in sorted(pairs)[:SHOWN_BESIDE]]


def _middle(result: TaskResult) -> list[int]:
    """Return the depths in the middle three fifths, those next to the centre first."""
    n = len(result.spans)
    inner = [depth for depth in range(n) if 0.2 <= (depth + 0.5) / n <= 0.8]
    return sorted(inner, key=lambda depth: (abs(depth + 0.5 - n / 2), depth))


def _pair(first: LoggedAnswer, second: LoggedAnswer) -> AnswerPair:
    depths = first.gold_depths[0], second.gold_depths[0]
    return AnswerPair(first.query, " · ".join(first.gold), first.answer, second.answer, depths)


def shortened(text: str) -> str:
    """Return a text for the page, with the number of characters that it leaves out."""
    if not text:
        return "(empty)"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST:,} more characters)"

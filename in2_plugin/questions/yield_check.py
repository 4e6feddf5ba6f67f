"""Stop a build whose model gives too few usable questions, before it pays for more.

Counts passages, because the questions of one answer succeed or fail together. Decided with the upper Clopper-Pearson
limit over the last `WINDOW` passages of a kind, stored answers included, so that a resumed build stops at the same
passage. A model with twice the minimum yield was stopped in 2 of 20,000 simulated builds of 1,000 passages.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from functools import lru_cache

from in2_plugin.errors import SpendingStopped, one_line
from in2_plugin.questions.question import Question, Rejection

CONFIDENCE = 0.99
"""One-sided. Without any success the limit is below 5% after 90 passages."""
WINDOW = 500
"""Passages that are looked at, so that a server that breaks late is noticed as well."""
SHOWN_REASONS = 3
LONGEST_EXAMPLE = 100


@lru_cache(maxsize=4_096)
def upper_limit(successes: int, trials: int) -> float:
    """Return the upper limit of a success rate (Clopper and Pearson, 1934), at a one-sided confidence of 99%."""
    from scipy.stats import beta

    return 1.0 if successes >= trials else float(beta.ppf(CONFIDENCE, successes + 1, trials - successes))


@dataclass(slots=True)
class _Passage:
    is_success: bool = False
    rejections: list[Rejection] = field(default_factory=list)


class YieldCheck:
    """Watches the results of one kind of question, in their order."""

    def __init__(self, min_yield: float, part: str) -> None:
        """Allow no smaller fraction of passages with an accepted question; `part` names them in the message."""
        self._min_yield, self._part = min_yield, part
        self._passages: deque[_Passage] = deque(maxlen=WINDOW)
        self._request = ""

    def record(self, result: Question | Rejection, rejection: Rejection | None) -> None:
        """Count one result; `rejection` is None if the question was accepted.

        Raises:
            SpendingStopped: the yield before this passage was too low.
        """
        if not result.request or result.request != self._request:
            self._require_yield()
            self._request = result.request
            self._passages.append(_Passage())
        if rejection is None:
            self._passages[-1].is_success = True
        else:
            self._passages[-1].rejections.append(rejection)

    def commonest_reason(self) -> str:
        """Return the most frequent reason of a rejection in the window; empty without any."""
        commonest = Counter(found.reason for passage in self._passages for found in passage.rejections).most_common(1)
        return commonest[0][0] if commonest else ""

    def _require_yield(self) -> None:
        successes, trials = sum(passage.is_success for passage in self._passages), len(self._passages)
        if trials and successes < self._min_yield * trials and upper_limit(successes, trials) < self._min_yield:
            raise SpendingStopped(self._message(successes, trials))

    def _message(self, successes: int, trials: int) -> str:
        rejections = [rejection for passage in self._passages for rejection in passage.rejections]
        reasons = Counter(rejection.reason for rejection in rejections)
        examples = {rejection.reason: example for rejection in rejections if (example := _example(rejection))}
        often = "; ".join(
            f"{reason} ({count:,} times{f', for example {examples[reason]!r}' if reason in examples else ''})"
            for reason, count in reasons.most_common(SHOWN_REASONS)
        )
        return (
            f"{self._part}: {successes:,} of the last {trials:,} passages gave an accepted question, with "
            f"{CONFIDENCE:.0%} confidence less than `questions.min_yield: {self._min_yield:g}`, so the build stops "
            f"before it pays for more. Most often: {often}. Everything is kept: look at answers with `in2 preview`, "
            "then change the model, its parameters, the prompts or the checks; or set `questions.min_yield: 0` to go "
            "on all the same"
        )


def _example(rejection: Rejection) -> str:
    written = f"{rejection.question} -> {rejection.answer}" if rejection.question else rejection.excerpt
    return one_line(written, LONGEST_EXAMPLE)

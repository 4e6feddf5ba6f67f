"""The hypotheses of the study: a direction each, and what would refute it. docs/evidence/protocol.md explains them.

A hypothesis about an effect is *supported* if the whole interval is beyond zero in its direction, *refuted* if the
whole interval excludes effects as large as `smallest_effect` of the study, *smaller than N points* if both hold,
otherwise *undecided*. One about the absence of harm is *supported* if the whole interval excludes harm of
`short_task_margin`, *refuted* if all of it is harm of that size or more.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.evidence.analysis.estimates import Estimate
from benchmarks.evidence.analysis.scores import Quantity, StudyScores, Task
from benchmarks.evidence.rows import KINDS
from benchmarks.evidence.study import Study

CLAIM = ("H2", "H3", "H4")
"""Hypotheses that the claim consists of."""
OWN, GOLD_ONLY = "in2_probe_context", "in2_probe_gold_only"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One claim about a quantity of an arm, or about its difference from another arm."""

    name: str
    claim: str
    task: Task
    quantity: Quantity
    arm: str
    minus: str | None
    direction: Literal[1, -1]
    """1 if the quantity is expected above zero."""
    size: float
    """Effects that are smaller do not count; for absence of harm, the largest harm that does not count."""
    absence_of_harm: bool = False

    def judge(self, found: Estimate | None) -> str:
        """Return the status: supported, refuted, smaller than N points, undecided or not measured."""
        if found is None:
            return "not measured"
        low, high = found.interval or (-math.inf, math.inf)
        if self.direction < 0:
            low, high = -high, -low
        if self.absence_of_harm:
            return "supported" if low > -self.size else "refuted" if high < -self.size else "undecided"
        if high < self.size:
            return self.smaller if low > 0 else "refuted"
        return "supported" if low > 0 else "undecided"

    @property
    def smaller(self) -> str:
        """The status of an effect that is there but does not count."""
        return f"smaller than {100 * self.size:g} points"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A hypothesis with what was found."""

    hypothesis: Hypothesis
    found: Estimate | None

    @property
    def status(self) -> str:
        return self.hypothesis.judge(self.found)


def hypotheses(study: Study, gold_only_length: int) -> Iterator[Hypothesis]:
    """Yield the hypotheses that the arms of a study allow, the confirmatory ones first."""
    size, own = study.smallest_effect, (OWN, study.trained_length)
    yield Hypothesis("H1", "after the first stage, the model loses the middle", own, "dip", "start", None, 1, size)
    yield Hypothesis("H2", "golds at all depths make the dip smaller", own, "dip", "uniform", "start", -1, size)
    yield Hypothesis(
        "H3", "this is due to the depths: golds at the ends alone leave a larger dip", own, "dip", "uniform", "edges",
        -1, size,
    )  # fmt: skip
    yield Hypothesis(
        "H4", "this is not due to more training: as many short examples leave a larger dip", own, "dip", "uniform",
        "short", -1, size,
    )  # fmt: skip
    yield Hypothesis(
        "H5", "golds at all depths raise the average over golds at the ends", own, "avg", "uniform", "edges", 1, size
    )
    yield Hypothesis("H6", "golds in the middle alone make the ends worse", own, "ends", "middle", "uniform", -1, size)
    margin = study.short_task_margin
    for task, what in (((GOLD_ONLY, gold_only_length), "the gold alone"), (("choices", 0), "multiple choice")):
        yield Hypothesis("H7", f"no harm to {what}", task, "avg", "uniform", "start", 1, margin, absence_of_harm=True)
    for kind in KINDS:
        task = (f"text_{kind}", 0)
        yield Hypothesis(
            "H7", f"no harm to perplexity on {kind}", task, "avg", "uniform", "start", -1, math.log1p(margin), True
        )


def judge_all(scores: StudyScores) -> list[Verdict]:
    """Return the verdict on every hypothesis whose arms are in the study."""
    lengths = [length for task, length in scores.by_task if task == GOLD_ONLY]
    return [
        Verdict(one, scores.estimate(one.task, one.quantity, one.arm, one.minus))
        for one in hypotheses(scores.study, min(lengths, default=0))
        if {one.arm, one.minus or one.arm} <= set(scores.study.arms)
    ]


def judge_claim(verdicts: Sequence[Verdict]) -> str:
    """Return the status of the claim: that of H2, H3 and H4 together, or void without H1."""
    found = {one.hypothesis.name: one for one in verdicts}
    if any(name not in found or found[name].found is None for name in ("H1", *CLAIM)):
        return "not measured"
    if found["H1"].status != "supported":
        return "void, because H1 is not supported"
    if "refuted" in (found["H3"].status, found["H4"].status):
        return "refuted"
    parts, smaller = {found[name].status for name in CLAIM}, found["H2"].hypothesis.smaller
    if parts == {"supported"}:
        return "supported"
    return smaller if parts <= {"supported", smaller} else "undecided"

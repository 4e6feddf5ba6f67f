"""Say what a teacher knows: exact answers with the gold alone and with the whole context, and if it can teach anything.

Invariant: every interval starts from the same seed. The contexts that were compared are resampled, each with its
questions: these are not independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

import numpy as np

from in2_plugin.probing.scoring.statistics import HIGH, LOW, Interval, redrawn_errors
from in2_plugin.reporting.evidence import DRAWS, SEED
from in2_plugin.teaching.measure import ContextComparison, GoldAnswer

FIFTHS = 5
LITTLE = 0.05
"""A gain that is not worth a distillation: if the whole interval is below it, there is nothing to distil."""


@dataclass(frozen=True, slots=True)
class DepthRow:
    """The compared questions whose gold is in one fifth of the context; means over the questions."""

    depth: str
    """`0-20%`, ..., `80-100%`, or `all`."""
    questions: int
    gold_exact: float
    whole_exact: float
    gold_nats: float
    whole_nats: float
    kl: float


@dataclass(frozen=True, slots=True)
class TeacherReport:
    """The measures of a teacher, as fractions of one and in nats."""

    gold_exact: Mapping[str, tuple[int, float]]
    """Questions and share of exact answers with the gold alone, for each part of the mixture."""
    covered: float
    """Mean probability that the stored tokens have together."""
    depths: tuple[DepthRow, ...]
    """Empty without a comparison; the last row is `all`."""
    gain: Interval | None
    """95% interval of the share of exact answers with the gold alone minus with the whole context; None without two
    contexts."""
    verdict: str

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


def teacher_report(answers: Sequence[GoldAnswer], compared: Sequence[ContextComparison]) -> TeacherReport:
    """Summarize the measures of a teacher; `compared` may be empty."""
    tokens = sum(one.n_tokens for one in answers)
    covered = sum(one.covered * one.n_tokens for one in answers) / max(1, tokens)
    depths, gain = _depths(compared), _gain(compared)
    return TeacherReport(_by_part(answers), covered, depths, gain, _verdict(depths, gain))


def _by_part(answers: Sequence[GoldAnswer]) -> dict[str, tuple[int, float]]:
    parts: dict[str, list[bool]] = {}
    for one in answers:
        parts.setdefault(one.part, []).append(one.exact)
    return {part: (len(exact), sum(exact) / len(exact)) for part, exact in parts.items()}


def _depths(compared: Sequence[ContextComparison]) -> tuple[DepthRow, ...]:
    width = 100 // FIFTHS
    rows = []
    for fifth in range(FIFTHS):
        inside = [one for one in compared if not isnan(one.depth) and int(one.depth * FIFTHS) == fifth]
        rows += [_row(f"{fifth * width}-{(fifth + 1) * width}%", inside)] if inside else []
    return (*rows, _row("all", compared)) if compared else ()


def _row(depth: str, questions: Sequence[ContextComparison]) -> DepthRow:
    names = ("gold_exact", "whole_exact", "gold_nats", "whole_nats", "kl")
    means = {name: float(np.mean([getattr(one, name) for one in questions])) for name in names}
    return DepthRow(depth, len(questions), **means)


def _gain(compared: Sequence[ContextComparison]) -> Interval | None:
    examples, contexts = np.unique([one.example for one in compared], return_inverse=True)
    if len(examples) < 2:
        return None
    pairs = np.array([(one.gold_exact, one.whole_exact) for one in compared], float)
    means = pairs.mean(0)
    residuals = np.zeros((len(examples), 2))  # sums over each context: their mean is the error of a share, linearized
    np.add.at(residuals, contexts, pairs - means)
    errors = redrawn_errors(residuals, len(examples) - 1, 1.0, np.random.default_rng(SEED), DRAWS)
    gains = (means + errors * len(examples) / len(pairs)) @ (1, -1)
    return float(np.quantile(gains, LOW)), float(np.quantile(gains, HIGH))


def _verdict(depths: Sequence[DepthRow], gain: Interval | None) -> str:
    if not depths:
        return "run with --compare 20 to see if the teacher knows more than the model that reads the whole context"
    total = depths[-1]
    interval = f"95% interval {gain[0]:+.0%} to {gain[1]:+.0%}" if gain else "no interval from a single context"
    figures = (
        f"{total.gold_exact:.0%} of the answers are exact from the gold alone, {total.whole_exact:.0%} from the whole "
        f"context ({total.gold_exact - total.whole_exact:+.0%}, {interval})"
    )
    if gain and gain[0] > 0:
        return f"there is something to distil: {figures}"
    if gain is None or gain[1] >= LITTLE:
        return f"it is not shown that there is something to distil: {figures}; compare more contexts (--compare)"
    return (
        f"there is nothing to distil from this teacher: {figures}; train with `objective: answer`, or take a teacher "
        "that answers more from the gold"
    )

"""Compute which dip the study shows: the smallest difference of ends minus middle between two trained arms.

The rule whose power is computed is that of `estimates.py`: the interval excludes zero. A pilot gives the two numbers
that no calculation knows: how much seeds differ, and which share of a question's dip is the same in all seeds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from scipy import stats

from benchmarks.evidence.analysis.estimates import CONFIDENCE
from in2_plugin.probing.scoring.dip import DIP

MOST = 100_000
DEVIATIONS, SHARES = (0.0, 0.02, 0.04), (0.0, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class StudyDesign:
    """What is known before a study; scores are fractions of one."""

    seeds: int = 3
    arms: int = 4
    """Arms with a second stage; their seeds are pooled."""
    score: float = 0.5
    """Average to expect; 0.5 is the worst case."""
    seed_deviation: float = 0.0
    """Standard deviation of an arm's dip between seeds, if every question were asked."""
    stable: float = 0.25
    """Share of the variance of a question's dip that all seeds of an arm have in common."""


def detectable_difference(questions: int, design: StudyDesign, power: float = 0.9) -> float:
    """Return the smallest difference in dip that is shown with `power`, as a fraction.

    Args:
        questions: each asked at five depths of every arm and seed.
        design: what is known before.
        power: chance that a difference of the returned size is shown.
    """
    answers = 2 * design.score * (1 - design.score) * float(DIP @ DIP)
    both = answers * (1 - design.stable) / (design.seeds * questions)
    of_questions = answers * design.stable / questions + both
    of_seeds = 2 * design.seed_deviation**2 / design.seeds + both
    variance = of_seeds + of_questions - both
    degrees_q, degrees_s = questions - 1, (design.arms - 1) * (design.seeds - 1)
    parts = of_seeds**2 / degrees_s + of_questions**2 / degrees_q + both**2 / (degrees_q * (design.seeds - 1))
    degrees = variance**2 / parts
    multiple = stats.t.ppf((1 + CONFIDENCE) / 2, degrees) + stats.t.ppf(power, degrees)
    return float(multiple * variance**0.5)


def questions_needed(difference: float, design: StudyDesign, power: float = 0.9) -> int | None:
    """Return the questions that show a difference of this size; None if no number does, because seeds differ."""
    low, high = 1, MOST
    if detectable_difference(high, design, power) > difference:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable_difference(middle, design, power) <= difference else (middle, high)
    return high


def table(points: float, power: float, seeds: int, arms: int) -> str:
    """Return a markdown table of the questions needed for a dip of `points`."""
    return "\n".join(_lines(points, power, StudyDesign(seeds, arms)))


def _lines(points: float, power: float, design: StudyDesign) -> Iterator[str]:
    yield (
        f"Questions, each at five depths, that show a difference of {points:g} points of ends minus middle between two "
        f"arms in {power:.0%} of studies, with {design.seeds} seeds and {design.arms} trained arms, at an average "
        "of 50%:"
    )
    yield ""
    yield "| deviation between seeds, points | " + " | ".join(f"stable share {share:.0%}" for share in SHARES) + " |"
    yield "|---|" + "---|" * len(SHARES)
    for deviation in DEVIATIONS:
        designs = [replace(design, seed_deviation=deviation, stable=share) for share in SHARES]
        needed = [questions_needed(points / 100, one, power) for one in designs]
        cells = " | ".join(f"{n:,}" if n else "no number" for n in needed)
        yield f"| {100 * deviation:g} | {cells} |"

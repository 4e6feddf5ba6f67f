"""Compute what the study shows: simulate studies, and count in how many of them the hypotheses are supported.

The rules are those of `estimates.py` and `hypotheses.py`, on normal scores: contrasts with `start` have their own seeds
only, those between trained arms the pooled ones, and the claim needs H1 to H4 in the same study. A pilot gives what no
simulation knows: how much seeds differ, and which share of a question's dip all seeds have in common. Seeded; 3 ms per
study and core.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.evidence.analysis.estimates import Estimate, Stratum, estimate, pooled_seed_variance
from benchmarks.evidence.analysis.hypotheses import CLAIM
from in2_plugin.probing.scoring.dip import DIP
from in2_plugin.probing.scoring.power import smallest

RUNS, SEED = 1_000, 0
STEP, MOST = 10, 600
"""Questions are searched in steps of STEP, up to MOST."""
ALL = "claim"
REFUTED = "H3 refuted"


@dataclass(frozen=True, slots=True)
class StudyDesign:
    """What is known before a study; scores are fractions of one."""

    questions: int
    """Each is asked at five depths of every arm and seed."""
    difference: float
    """Ends minus middle of `start`, `short` and `edges`, in which `uniform` has none."""
    seeds: int = 3
    trained: int = 3
    """Arms with a second stage; their seeds are pooled."""
    score: float = 0.5
    """Average to expect; 0.5 is the worst case."""
    seed_deviation: float = 0.0
    """Standard deviation of an arm's dip between seeds, if every question were asked."""
    stable: float = 0.25
    """Share of the variance of a question's dip that all seeds of an arm, but no two arms, have in common."""
    smallest_effect: float = 0.1


def simulate(design: StudyDesign, runs: int = RUNS) -> dict[str, float]:
    """Return the shares of studies in which H1, H2, H3, H4 and all of them are supported, and H3 is refuted."""
    rng = np.random.default_rng(SEED)
    found = [_found(design, rng) for _ in range(runs)]
    return {name: sum(one[name] for one in found) / runs for name in found[0]}


def _found(design: StudyDesign, rng: np.random.Generator) -> dict[str, bool]:
    start, short, edges, *others, uniform = _dips(design, rng)
    pooled = pooled_seed_variance([[one] for one in (short, edges, *others, uniform)])
    contrasts: dict[str, Estimate] = {
        "H1": estimate([start]),
        "H2": estimate([start.minus(uniform)]),
        "H3": estimate([edges.minus(uniform)], pooled),
        "H4": estimate([short.minus(uniform)], pooled),
    }
    supported = {name: one.above(0) for name, one in contrasts.items()}
    whole = all(supported[name] for name in ("H1", *CLAIM))
    return {**supported, ALL: whole, REFUTED: contrasts["H3"].below(design.smallest_effect)}


def _dips(design: StudyDesign, rng: np.random.Generator) -> Iterator[Stratum]:
    """Yield the dip of every question and seed: of `start`, then of the trained arms, `uniform` as the last one."""
    variance = design.score * (1 - design.score) * float(DIP @ DIP)
    for arm in range(design.trained + 1):
        own = rng.normal(0, (variance * (1 - design.stable)) ** 0.5, (design.seeds, design.questions))
        stable = rng.normal(0, (variance * design.stable) ** 0.5, design.questions)
        of_seed = rng.normal(0, design.seed_deviation, (design.seeds, 1))
        yield Stratum((arm < design.trained) * design.difference + own + stable + of_seed, 1.0)


def questions_needed(design: StudyDesign, name: str, power: float = 0.9, runs: int = RUNS) -> int | None:
    """Return the questions with which a hypothesis, or the claim, is supported with this power.

    Returns None if MOST do not suffice, because seeds differ.
    """

    def shows(steps: int) -> bool:
        return simulate(replace(design, questions=steps * STEP), runs)[name] >= power

    found = smallest(shows, 1, MOST // STEP)
    return found and found * STEP


def table(
    design: StudyDesign, points: Sequence[float], deviations: Sequence[float], power: float, runs: int = RUNS
) -> str:
    """Return a markdown table: questions needed, and the power of the design, by true effect and deviation of seeds."""
    head = (
        f"{design.seeds} seeds, {design.trained} trained arms, average {design.score:.0%}, stable share "
        f"{design.stable:.0%}. Questions needed for {power:.0%} power, and the power of {design.questions}:\n\n"
        "| true effect, points | deviation of seeds, points | needed for H3 | for H2 | for the claim | power of "
        "H1, H2, H3, H4 | of the claim | H3 refuted |\n|---|---|---|---|---|---|---|---|"
    )
    designs = [
        replace(design, difference=effect / 100, seed_deviation=deviation / 100)
        for effect in points
        for deviation in deviations
    ]
    return "\n".join([head, *(_line(one, power, runs) for one in designs)])


def _line(design: StudyDesign, power: float, runs: int) -> str:
    found = simulate(design, runs)
    needed = [
        (questions_needed(design, name, power, runs) if design.difference else None) for name in ("H3", "H2", ALL)
    ]
    cells = [
        f"{100 * design.difference:g}",
        f"{100 * design.seed_deviation:g}",
        *(f"{n}" if n else ("-" if not design.difference else f"more than {MOST}") for n in needed),
        ", ".join(f"{100 * found[name]:.0f}" for name in ("H1", *CLAIM)),
        *(f"{100 * found[name]:.0f}" for name in (ALL, REFUTED)),
    ]
    return f"| {' | '.join(cells)} |"

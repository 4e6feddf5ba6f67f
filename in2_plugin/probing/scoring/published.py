"""Score the published data exactly as the authors' script does, which gives the numbers of the paper's table.

It differs from our scoring (`curves.py`) in two ways (microsoft/FILM, VaLProbing/plot.py): the last of every 50
positions is never scored, because a loop ends one short, and a skip list excludes questions whose quoted part occurs
more than once in its context. Invariant: `published_curve` needs every question that the authors scored; only
`curve_of_asked` accepts fewer.
"""

from collections.abc import Sequence

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.probe import PaperFacts, Probe
from in2_plugin.probing.scoring.curves import Curve, Scored, curve, curve_from_positions
from in2_plugin.probing.scoring.scores import SetScores

SETS = 4
SPAN = 50
"""Positions per span."""


def published_facts(probe: Probe) -> PaperFacts:
    """Return what the paper published for `probe`; raises ProbeError if that is nothing."""
    if probe.paper is None:
        raise ProbeError(
            f"the authors published no data for the {probe.name} probe; use it without their data or scoring"
        )
    return probe.paper


def is_scored(facts: PaperFacts, set_index: int, position: int) -> bool:
    """Return True if the published scoring counts this question."""
    last_of_span = position % SPAN == SPAN - 1
    return not last_of_span and set_index * facts.n_positions + position not in facts.skipped


def published_curve(probe: Probe, sets: Sequence[SetScores]) -> Curve:
    """Return the curve of the published scoring; raises the errors of `published_scores`."""
    rows = (
        (score, position, one.n_positions, one.set)
        for one in published_scores(probe, sets)
        for position, score in zip(one.positions, one.scores, strict=True)
    )
    return curve_from_positions(rows, published_facts(probe).n_positions // SPAN)


def curve_of_asked(probe: Probe, sets: Sequence[SetScores]) -> Curve:
    """Apply the same rule to some of the questions only, or to contexts of another size, which have no skip list.

    Raises:
        ProbeError: no question counts.
    """
    facts = published_facts(probe)
    published_size = all(one.n_positions == facts.n_positions for one in sets)
    rows = [
        Scored(score, one.set, position // SPAN)
        for one in sets
        for position, score in zip(one.positions, one.scores, strict=True)
        if (is_scored(facts, one.set, position) if published_size else position % SPAN != SPAN - 1)
    ]
    return curve(rows, 1 + max((row.span for row in rows), default=0))


def published_scores(probe: Probe, sets: Sequence[SetScores]) -> tuple[SetScores, ...]:
    """Return the part of `sets` that the published scoring counts. Positions that it never counts may be missing.

    Raises:
        ProbeError: the scores are not of four contexts of the published size, or are incomplete.
    """
    facts = published_facts(probe)
    _refuse_other_data(probe, facts, sets)
    counted = tuple(_counted(facts, one) for one in sets)
    found = sum(len(one.positions) for one in counted)
    wanted = sum(is_scored(facts, index, position) for index in range(SETS) for position in range(facts.n_positions))
    if found < wanted:
        raise ProbeError(
            f"the published scoring of the {probe.name} probe needs answers to {wanted:,} questions and "
            f"{wanted - found:,} are missing; ask all of them, without `--limit`"
        )
    return counted


def _counted(facts: PaperFacts, one: SetScores) -> SetScores:
    kept = [
        (position, score)
        for position, score in zip(one.positions, one.scores, strict=True)
        if is_scored(facts, one.set, position)
    ]
    return SetScores(one.set, one.n_positions, tuple(place for place, _ in kept), tuple(score for _, score in kept))


def _refuse_other_data(probe: Probe, facts: PaperFacts, sets: Sequence[SetScores]) -> None:
    found = [(one.set, one.n_positions) for one in sets]
    if found != [(index, facts.n_positions) for index in range(SETS)]:
        there = ", ".join(f"set {index} with {size}" for index, size in found) or "none"
        raise ProbeError(
            f"the published scoring of the {probe.name} probe is for sets 0 to {SETS - 1} of {facts.n_positions} "
            f"positions, but these are {there}; score them without it"
        )

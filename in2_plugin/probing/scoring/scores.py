"""The scores of one probe by set and position, from which curves, intervals and noise floors are computed.

lm_eval's results file holds them as one string, about 24 kB for 3,200 questions, so that intervals do not require
logged prompts (1.2 GB at 32K tokens). Invariant: `scores_from_text` restores what `as_text` wrote, with scores rounded
to four decimals.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from in2_plugin.errors import ProbeError


@dataclass(frozen=True, slots=True)
class SetScores:
    """The scores of one context."""

    set: int
    n_positions: int
    """Number of items in the context."""
    positions: tuple[int, ...]
    """(n,) ascending positions, from 0, that were asked for."""
    scores: tuple[float, ...]
    """(n,) from 0 to 1."""


def gather(rows: Iterable[tuple[float, int, int, int]]) -> tuple[SetScores, ...]:
    """Group (score, position, n_positions, set) rows in any order into sets, ordered by set number.

    Raises:
        ProbeError: two rows of one set have different lengths, or the same position.
    """
    found: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    for score, position, n_positions, set_index in rows:
        of_set = found[set_index, n_positions]
        if position in of_set:
            raise ProbeError(f"position {position} of set {set_index} is scored twice; score each question once")
        of_set[position] = score
    sets = [
        SetScores(index, n, *zip(*sorted(of_set.items()), strict=True)) for (index, n), of_set in sorted(found.items())
    ]
    for one, other in pairwise(sets):
        if one.set == other.set:
            lengths = f"{one.n_positions} positions in one row, {other.n_positions} in another"
            raise ProbeError(f"set {one.set} has {lengths}; give the rows of one probe")
    return tuple(sets)


def as_text(sets: Sequence[SetScores]) -> str:
    """Return JSON with one array per set: number, items, positions, scores."""
    rows = [[one.set, one.n_positions, one.positions, [round(score, 4) for score in one.scores]] for one in sets]
    return json.dumps(rows, separators=(",", ":"))


def scores_from_text(text: str) -> tuple[SetScores, ...]:
    """Parse what `as_text` wrote.

    Raises:
        ProbeError: the text is something else.
    """
    try:
        sets = tuple(SetScores(s, n, tuple(positions), tuple(scores)) for s, n, positions, scores in json.loads(text))
        sound = all(
            len(one.positions) == len(one.scores)
            and all(0 <= position < one.n_positions for position in one.positions)
            and all(0 <= score <= 1 for score in one.scores)
            for one in sets
        )
    except (ValueError, TypeError) as problem:
        raise ProbeError(f"scores by position cannot be read ({problem}); run the probe again") from None
    if not sound:
        raise ProbeError("scores by position are inconsistent; run the probe again")
    return sets

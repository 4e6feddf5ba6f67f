"""Aggregate scored questions into a curve over positions, its average and its gap (paper, section 4.2).

A span is one of `n_spans` equal parts of a context. Its value is the mean over sets of the set's mean score in it; Avg
is the mean of the span values, Gap the largest minus the smallest. A span without rows has no value and is ignored.
Pure functions, linear in the number of rows.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from in2_plugin.errors import ProbeError

PositionRow = tuple[float, int, int, int]
"""(score, position, number of positions of the context, set), as in a logged sample."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The score of one question and the span of its gold."""

    score: float
    set: int
    span: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Scores by position, as fractions of one."""

    spans: tuple[float | None, ...]
    """First span first; None if no question was scored."""
    avg: float
    gap: float
    """Largest minus smallest span value; 0 when only one span has a value."""


def span_of(position: int, n_positions: int, n_spans: int) -> int:
    """Return the span (from 0) of a position (from 0); with 800 positions and 16 spans, position // 50."""
    if not 0 <= position < n_positions:
        raise ProbeError(f"position {position} is not one of the {n_positions} positions of its context")
    return position * n_spans // n_positions


def span_of_depth(depth: int, n_depths: int, n_spans: int) -> int:
    """Return the span (from 0) of the middle of a depth (from 0); an odd number of spans is symmetric.

    Equal to `span_of` where `n_depths` is a multiple of `n_spans`. Seven depths are in spans 0, 1, 1, 2, 3, 3, 4.
    """
    if not 0 <= depth < n_depths:
        raise ProbeError(f"depth {depth} is not one of the {n_depths} depths")
    return (2 * depth + 1) * n_spans // (2 * n_depths)


def span_value(scores: Iterable[tuple[float, int]]) -> float | None:
    """Return the mean over sets of each set's mean score, from (score, set) pairs of one span; None without pairs."""
    of_set: dict[int, list[float]] = defaultdict(list)
    for score, set_index in scores:
        of_set[set_index].append(score)
    return _mean([_mean(of_set[index]) for index in sorted(of_set)]) if of_set else None


def curve(rows: Iterable[Scored], n_spans: int) -> Curve:
    """Return the curve of `rows`.

    Raises:
        ProbeError: there is no row, or a row's span is outside 0..n_spans-1.
    """
    cells: list[list[tuple[float, int]]] = [[] for _ in range(n_spans)]
    for row in rows:
        if not 0 <= row.span < n_spans:
            raise ProbeError(f"a row has span {row.span}, but the spans are 0 to {n_spans - 1}")
        cells[row.span].append((row.score, row.set))
    spans = tuple(span_value(cell) for cell in cells)
    values = [value for value in spans if value is not None]
    if not values:
        raise ProbeError("no question was scored; run the probe again without `--predict_only`")
    return Curve(spans, _mean(values), max(values) - min(values))


def curve_from_positions(rows: Iterable[PositionRow], n_spans: int) -> Curve:
    """Return the curve of (score, position, n_positions, set) rows, for rescoring logged samples."""
    return curve(
        (Scored(score, set_index, span_of(position, n, n_spans)) for score, position, n, set_index in rows), n_spans
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

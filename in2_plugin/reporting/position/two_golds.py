"""Map the scores of questions with two golds by the depths of both, and by their distance.

Invariant: a cell is the mean of its answers, None without any; questions with more golds count by their first and last.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from in2_plugin.probing.position.scores import FINE_GRAINED, PositionScores, ScoredAnswer
from in2_plugin.reporting.plots.depth import HeatMapCell, heat_colour
from in2_plugin.reporting.text.wording import percent

PARTS = 5
"""Equal parts of the depth, and of the distance."""
CELL = 52
"""Pixels."""


@dataclass(frozen=True, slots=True)
class TwoGolds:
    """Scores of one model at one length, as fractions of one."""

    by_depths: tuple[tuple[float | None, ...], ...]
    """(first gold, second gold), the start of the context first."""
    by_distance: tuple[float | None, ...]
    """Fifths of the context between the two golds, nearest first."""
    answers: int
    average: float


def two_golds(scores: PositionScores, length: int) -> TwoGolds | None:
    """Return the map of the questions with several golds; None without any."""
    found = [
        answer
        for answer in scores.answers
        if answer.length == length and answer.kind != FINE_GRAINED and len(answer.gold_depths) > 1
    ]
    if not found:
        return None
    cells: dict[tuple[int, int], list[float]] = defaultdict(list)
    distances: dict[int, list[float]] = defaultdict(list)
    for answer in found:
        first, last = answer.gold_depths[0], answer.gold_depths[-1]
        cells[_part(first), _part(last)].append(answer.score)
        distances[_part(_spread(answer))].append(answer.score)
    rows = tuple(tuple(_mean(cells[row, column]) for column in range(PARTS)) for row in range(PARTS))
    by_distance = tuple(_mean(distances[part]) for part in range(PARTS))
    return TwoGolds(rows, by_distance, len(found), fmean(answer.score for answer in found))


def map_cells(found: TwoGolds) -> list[HeatMapCell]:
    """Return the cells of the heat map in pixels: first gold downwards, last gold to the right."""
    return [
        _cell(row, column, value) for row, values in enumerate(found.by_depths) for column, value in enumerate(values)
    ]


def part_names() -> list[str]:
    """Return `0-20%` and so on."""
    return [f"{100 * part // PARTS}-{100 * (part + 1) // PARTS}%" for part in range(PARTS)]


def _cell(row: int, column: int, value: float | None) -> HeatMapCell:
    names = part_names()
    place = f"first gold at {names[row]}, last at {names[column]}"
    x, y = float(CELL * column), float(CELL * row)
    if value is None:
        return HeatMapCell(x, y, CELL, "", "", False, f"{place}: not asked")
    colour, is_dark = heat_colour(value)
    return HeatMapCell(x, y, CELL, f"{100 * value:.0f}", colour, is_dark, f"{place}: {percent(value)}%")


def _part(share: float) -> int:
    return min(PARTS - 1, int(share * PARTS))


def _spread(answer: ScoredAnswer) -> float:
    return max(answer.gold_depths) - min(answer.gold_depths)


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None

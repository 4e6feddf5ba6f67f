"""Compute coordinates and shades of the plots in `dataset.html.j2`.

Plots are inline SVG without matplotlib, which is an optional dependency. Invariant: equal counts give equal numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from in2_plugin.inspection.figures import short

WIDTH, HEIGHT = 360, 150
"""Size of a histogram in pixels, without its labels."""
CELL = (44, 26)
"""Size of a heat map cell in pixels."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram, in pixels from the top left of the plot."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Coordinates of a histogram."""

    name: str
    about: str
    bars: tuple[Bar, ...]
    labels: tuple[tuple[float, str], ...]
    """(x, text) below the plot."""
    most: int
    """Count of the highest bar."""
    expected: float | None
    """Pixels from the top at which all bars would end if the counts were equal; None to draw no line."""


@dataclass(frozen=True, slots=True)
class DepthCell:
    """One cell of the heat map."""

    x: int
    y: int
    shade: float
    """Opacity: 0.5 for the count of an even distribution, 1 for twice that count or more."""
    count: int
    is_dark: bool
    title: str


def histogram(name: str, about: str, data: Mapping[str, Any], unit: str, even: bool) -> Histogram:
    """Lay out a histogram from its edges and counts. All bars have the same width.

    Args:
        unit: `%` for shares in [0, 1], otherwise the name of the unit.
        even: True to draw a line where all bars would end if the counts were equal.
    """
    counts, edges = data["counts"], data["edges"]
    most, step = max([1, *counts]), WIDTH / max(1, len(counts))
    bars = tuple(
        Bar(
            x=round(i * step + 0.5, 2),
            y=round(HEIGHT * (1 - count / most), 2),
            width=round(step - 1, 2),
            height=round(HEIGHT * count / most, 2),
            title=f"{_edge(edges[i], unit)} to {_edge(edges[i + 1], unit)}: {count:,}",
        )
        for i, count in enumerate(counts)
    )
    every = max(1, len(counts) // 5)
    labels = tuple((round(i * step, 2), _edge(edges[i], unit)) for i in range(0, len(edges), every))
    level = round(HEIGHT * (1 - sum(counts) / len(counts) / most), 2) if even and sum(counts) else None
    return Histogram(name, about, bars, labels, most, level)


def _edge(edge: float, unit: str) -> str:
    return f"{edge:.0%}" if unit == "%" else short(round(edge))  # whole tokens


def heat_map(data: Mapping[str, Any]) -> tuple[list[DepthCell], list[str]]:
    """Lay out the cells of depth (across) by length (down), shaded per row, and the labels of the rows."""
    cells = []
    for row, (counts, (low, high)) in enumerate(zip(data["counts"], data["lengths"], strict=True)):
        expected = max(sum(counts) / len(counts), 1e-9)
        for column, count in enumerate(counts):
            shade = round(min(1.0, count / expected / 2), 3)
            title = f"{low:,} to {high:,} tokens, depth {column * 10}% to {column * 10 + 10}%: {count:,} golds"
            cells.append(DepthCell(column * CELL[0], row * CELL[1], shade, count, shade > 0.6, title))
    return cells, [f"{low:,}–{high:,}" for low, high in data["lengths"]]


def part_bars(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the actual and the configured share of each part, in percent."""
    have, asked = (max(1, sum(part[name] for part in parts)) for name in ("have", "asked"))
    return [
        {
            "name": part["part"].replace("_", "-"),
            "count": part["have"],
            "share": 100 * part["have"] / have,
            "asked": 100 * part["asked"] / asked,
        }
        for part in parts
        if part["have"] or part["asked"]
    ]

"""Compute coordinates and shades of the plots in `dataset.html.j2`.

Plots are inline SVG without matplotlib, which is an optional dependency. Invariant: equal counts give equal numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from in2_plugin.inspection.figures import short

WIDTH, HEIGHT = 360, 150
"""Size of a histogram in pixels, without its labels."""
MIDDLE_FIFTH = (0.4 * WIDTH, 0.2 * WIDTH)
"""Left edge and width in pixels, in a histogram over depth."""


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
    shaded: tuple[float, float] | None = None
    """Left edge and width of a shaded range, in pixels."""


@dataclass(frozen=True, slots=True)
class DepthCell:
    """One cell of the heat map."""

    shade: float
    """Opacity: 0.5 for the count of an even distribution, 1 for twice that count or more."""
    text: str
    """The count, with at most four characters."""
    is_dark: bool
    title: str


def histogram(
    name: str,
    about: str,
    data: Mapping[str, Any],
    unit: str,
    even: bool,
    shaded: tuple[float, float] | None = None,
) -> Histogram:
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
    return Histogram(name, about, bars, labels, most, level, shaded)


def _edge(edge: float, unit: str) -> str:
    return f"{edge:.0%}" if unit == "%" else short(round(edge))  # whole tokens


def heat_map(data: Mapping[str, Any]) -> list[tuple[str, list[DepthCell]]]:
    """Return the rows of depth (across) by length (down): a label, and cells shaded relative to their row."""
    return [
        (f"{low:,}–{high:,}", [_cell(count, column, counts, (low, high)) for column, count in enumerate(counts)])
        for counts, (low, high) in zip(data["counts"], data["lengths"], strict=True)
    ]


def _cell(count: int, column: int, row: Sequence[int], length: tuple[int, int]) -> DepthCell:
    shade = round(min(1.0, count / max(sum(row) / len(row), 1e-9) / 2), 3)
    place = f"{length[0]:,} to {length[1]:,} tokens, depth {column * 10}% to {column * 10 + 10}%"
    return DepthCell(shade, _compact(count), shade > 0.85, f"{place}: {count:,} golds")


def _compact(count: int) -> str:
    """Format a count with at most four characters, so that ten fit beside each other on a phone."""
    if count < 10_000:
        return str(count)
    return f"{count / 1e3:.0f}k" if count < 999_500 else f"{count / 1e6:.1f}M"


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

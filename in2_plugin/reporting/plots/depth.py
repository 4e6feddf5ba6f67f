"""Lay out small plots of one model and probe: curves over depth, and below them a heat map of depth by length.

Returns coordinates and colours as numbers for the SVG in the templates; one small plot per model stays readable for any
number of models and lengths. Invariant: colours come from cividis, ordered in lightness, so they read the same in grey;
equal results give equal numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.paper_numbers import title
from in2_plugin.reporting.results import ModelResult, TaskResult
from in2_plugin.reporting.text.wording import estimate, percent, tokens

WIDTH, CURVES, ROW = 320, 84, 18
"""Pixels: width of a plot of 16 spans, height of the curves, height of a row of the heat map."""
CELL = WIDTH / 16
"""Pixels per number; with more spans the plot grows wider and the numbers keep their size."""

EVEN = 0.179
"""Luminance on which black and white text have the same contrast, 4.6 to 1 (WCAG 2 asks for 4.5)."""


@dataclass(frozen=True, slots=True)
class HeatMapCell:
    """One cell of the heat map."""

    x: float
    y: float
    width: float
    text: str
    colour: str
    """Empty if no row was scored."""
    is_dark: bool
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One length's curve in pieces, which end where a span has no score."""

    label: str
    colour: str
    points: tuple[str, ...]
    """Each is the `points` attribute of a polyline."""
    band: tuple[str, ...]
    """Outlines of the 95% interval; only if a single curve is drawn."""
    dots: tuple[tuple[float, float], ...]
    """Spans whose neighbours have no score, so that no line reaches them."""


@dataclass(frozen=True, slots=True)
class DepthPlot:
    """One figure, in pixels from the top left of the curves."""

    width: float
    lines: tuple[Line, ...]
    rows: tuple[tuple[str, str], ...]
    """Label and colour of each row of the heat map; empty with a single length."""
    cells: tuple[HeatMapCell, ...]
    description: str
    numbers: str
    """Dip and average, if there is a single length."""

    @property
    def height(self) -> float:
        return CURVES + (8 + ROW * len(self.rows) if self.rows else 0)


def depth_plot(comparison: Comparison, model: ModelResult, results: Sequence[TaskResult], colour: str) -> DepthPlot:
    """Return the plot of one model and probe at the lengths of `results`, at least one, shortest first.

    Args:
        colour: of the curve where there is a single length; with more, lengths have colours of their own.
    """
    width = max(WIDTH, CELL * max(len(result.spans) for result in results))
    colours = [colour] if len(results) == 1 else length_colours(len(results))
    many = len(results) > 1
    lines = tuple(
        _line(result, one, width, () if many else _limits(comparison, model, result))
        for result, one in zip(results, colours, strict=True)
    )
    cells = tuple(cell for row, result in enumerate(results) for cell in _row(result, row, width)) if many else ()
    rows = tuple(zip((tokens(result.key.length) for result in results), colours, strict=True)) if many else ()
    numbers = "" if many else _numbers(comparison, model, results[0])
    return DepthPlot(width, lines, rows, cells, _describe(model, results), numbers)


def _numbers(comparison: Comparison, model: ModelResult, result: TaskResult) -> str:
    dip, _ = estimate(effect.dip if (effect := comparison.of(model, result).position) else None)
    return f"Ends − middle {dip} · Avg {percent(result.score.avg)}"


def length_colours(count: int) -> list[str]:
    """Blues from light (short) to dark (long)."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    ramp = colormaps["Blues"]
    return [to_hex(ramp(0.35 + 0.65 * i / max(1, count - 1))) for i in range(count)]


def heat_colour(fraction: float) -> tuple[str, bool]:
    """Colour of a score, and whether text on it must be light."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    rgb = colormaps["cividis"](fraction)[:3]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return to_hex(rgb), luminance < EVEN


def _row(result: TaskResult, row: int, width: float) -> list[HeatMapCell]:
    step, top = width / len(result.spans), CURVES + 8 + ROW * row
    cells = []
    for i, value in enumerate(result.spans):
        place = f"{tokens(result.key.length)}, depth {100 * result.depths[i]:.0f}%"
        if value is None:
            cells.append(HeatMapCell(round(i * step, 2), top, round(step, 2), "", "", False, f"{place}: not scored"))
            continue
        colour, is_dark = heat_colour(value)
        text = f"{100 * value:.0f}"
        cells.append(
            HeatMapCell(round(i * step, 2), top, round(step, 2), text, colour, is_dark, f"{place}: {percent(value)}%")
        )
    return cells


def _limits(comparison: Comparison, model: ModelResult, result: TaskResult) -> tuple[tuple[float, float] | None, ...]:
    intervals = comparison.of(model, result).intervals
    return intervals.spans if intervals else ()


def _line(result: TaskResult, colour: str, width: float, limits: Sequence[tuple[float, float] | None]) -> Line:
    runs = _runs(result.spans)
    x = [width * depth for depth in result.depths]
    points = [" ".join(_point(x[i], result.spans[i]) for i in run) for run in runs if len(run) > 1]
    dots = [(round(x[run[0]], 1), _y(result.spans[run[0]] or 0.0)) for run in runs if len(run) == 1]
    bands = []
    for run in _runs(limits):
        low, high = ([(x[i], limits[i][side]) for i in run] for side in (0, 1))  # type: ignore[index]
        bands.append(" ".join(_point(*one) for one in (*high, *reversed(low))))
    return Line(tokens(result.key.length), colour, tuple(points), tuple(bands), tuple(dots))


def _runs(values: Sequence[object | None]) -> list[list[int]]:
    """Stretches of neighbours that have a value."""
    groups = groupby(range(len(values)), lambda i: values[i] is not None)
    return [list(run) for has_value, run in groups if has_value]


def _point(x: float, value: float | None) -> str:
    return f"{x:.1f},{_y(value or 0.0):.1f}"


def _y(value: float) -> float:
    return round(CURVES * (1 - value), 1)


def _describe(model: ModelResult, results: Sequence[TaskResult]) -> str:
    points = "; ".join(
        f"{tokens(one.key.length)}: average {percent(one.score.avg)}%, gap {percent(one.score.gap)}" for one in results
    )
    return f"{model.label}, {title(results[0].task)} probe, score by depth of the answer. {points}."

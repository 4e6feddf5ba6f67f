"""Draw the position curves: score against relative depth, one panel per probe, with 95% intervals.

The page (one SVG per panel, text kept as text) and the PNG use the same drawing. Up to six models share a panel; with
more, each has a row in the PNG and small plots on the page (`plots/depth.py`). Cost: about 0.1 s per panel.
"""

import io
import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from in2_plugin.probing.probes.registry import POSITION_PROBES
from in2_plugin.reporting.baselines import shown_baselines
from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.paper_numbers import PAPER_CURVES, title
from in2_plugin.reporting.plots.label_layout import wrap_label
from in2_plugin.reporting.plots.style import (
    CAUTION,
    GRID,
    LABEL_POINTS,
    MUTED,
    REFERENCE,
    SHADES,
    TOGETHER,
    LineEnd,
    Style,
    as_svg,
    end_labels,
    frame,
    label_points,
    line_width,
    settings,
    styles,
)
from in2_plugin.reporting.results import ModelResult, TaskResult, registered
from in2_plugin.reporting.text.wording import ABSENT, percent, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from in2_plugin.probing.scoring.statistics import Interval

FOOTNOTE, CAUTION_LINE, UNTITLED = 0.2, 0.18, 0.2
"""Inches: the footnote and the warning below the panels of the PNG; the title, which panels of the page leave out."""
PANEL = (4.5, 4.05)
"""Width and height of a panel in inches; its type is 9 points, so that it stays readable 340 pixels wide."""
PLOT = (0.6, 0.55, 2.55, 2.9)
"""Left, bottom, width and height of the plot inside its panel, in inches; labels use the space on the right."""
ROW = (3.0, 1.15, 1.6)
"""Width of a plot, height of a row, and width of the names, in inches, if each model has a row."""
PAPER_DASHES = {"Mistral, paper": (0, (3, 2)), "FILM, paper": "-"}
SHADED = 3
"""Most models whose intervals are shaded; with more, overlapping shades are less clear than thin bars."""


def panel_svg(task: str, comparison: Comparison) -> str:
    """Return the panel of one probe as an `<svg>` element with unique ids, without its title; for up to six models."""
    with settings(task):
        return as_svg(_figure([task], comparison, above=-UNTITLED), task)


def curves_png(comparison: Comparison) -> bytes:
    """Return all curves as a PNG at 200 pixels per inch, with a footnote because it is shown without the page.

    Models side by side in one panel a probe; with more than six, a row of plots a model.
    """
    tasks = shown_tasks(comparison.models)
    comparable = not comparison.warnings
    buffer = io.BytesIO()
    with settings("png"):
        below = FOOTNOTE + (0 if comparable else CAUTION_LINE)
        many = len(comparison.models) > TOGETHER
        figure = _rows(tasks, comparison, below) if many else _figure(tasks, comparison, below)
        _footnote(figure, comparable, any(task in PAPER_CURVES for task in tasks))
        figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    return buffer.getvalue()


def shown_tasks(models: Sequence[ModelResult]) -> list[str]:
    """Return the probes of which at least one model has a curve."""
    return [task for task in registered() if any(_curve_of(model, task) for model in models)]


def _curve_of(model: ModelResult, task: str) -> TaskResult | None:
    """Return the result of a probe; None if it was not run, or has no curve."""
    result = model.tasks.get(task)
    return result if result and result.has_curve else None


def describe(task: str, comparison: Comparison) -> str:
    """Describe the panel in words, for screen readers: each model's dip, average, best and worst position."""
    sentences = []
    for model in comparison.models:
        result = _curve_of(model, task)
        if result is None:
            continue
        effect = comparison.of(model, result).position
        scored = [value for value in result.spans if value is not None]
        best, worst = (
            f"{percent(value)}% at depth {100 * result.depths[result.spans.index(value)]:.0f}%"
            for value in (max(scored), min(scored))
        )
        sentences.append(
            f"{model.label}: ends minus middle {signed(effect.dip.value) if effect else 'unknown'} points, average "
            f"{percent(result.score.avg)}%, gap {percent(result.score.gap)} points, "
            f"best {best}, worst {worst}."
        )
    return f"{title(task)} probe, score by depth of the answer. {' '.join(sentences)}"


def _figure(tasks: Sequence[str], comparison: Comparison, below: float = 0.0, above: float = 0.0) -> "Figure":
    from matplotlib.figure import Figure

    heights = [_label_height(task, comparison.models) for task in {*comparison.tasks, *tasks}]
    extra = max(0.0, max(heights) / 72 - PLOT[3])
    width, height = PANEL[0] * len(tasks), PANEL[1] + extra + below + above
    figure = Figure(figsize=(width, height), facecolor="white")
    for column, task in enumerate(tasks):
        left = PANEL[0] * column + PLOT[0]
        box = (left / width, (PLOT[1] + below) / height, PLOT[2] / width, (PLOT[3] + extra) / height)
        heading = title(task) if above == 0 else ""
        _draw(figure.add_axes(box), task, heading, comparison, (PLOT[3] + extra) * 72)
    return figure


def _footnote(figure: "Figure", comparable: bool, has_paper: bool) -> None:
    left, line = 0.13 / figure.get_figwidth(), 1 / (72 * figure.get_figheight())
    grey = "Grey: the paper, arXiv 2404.16811, 7B at 32K tokens. " if has_paper else ""
    text = f"{grey}Around the curves: 95% intervals, where known"
    figure.text(left, 8 * line, text, color=MUTED, fontsize=8)
    if not comparable:
        text = "Not measured in the same way: see the report"
        figure.text(left, 21 * line, text, color=CAUTION, fontsize=8.5, fontweight="bold")


def _label_height(task: str, models: Sequence[ModelResult]) -> float:
    texts = [model.label for model in models if task in model.tasks]
    baselines = (one.label for one in shown_baselines(models, task))
    controls = (text for model in models for text, _, _ in _controls(model, task))
    return label_points([*texts, *PAPER_CURVES.get(task, {}), *baselines, *controls])


def _draw(axes: "Axes", task: str, heading: str, comparison: Comparison, points: float) -> None:
    frame(axes, heading, _subtitle(task, comparison), "Depth of the answer in the context")
    _depths(axes)
    _shade_middle(axes)
    ends = []
    for baseline in shown_baselines(comparison.models, task):
        axes.axhline(100 * baseline.score, color=REFERENCE, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        ends.append(LineEnd(100 * baseline.score, baseline.label, MUTED))
    for name, values in PAPER_CURVES.get(task, {}).items():
        _paper_curve(axes, name, values)
        ends.append(LineEnd(values[-1], name, MUTED))
    models = comparison.models
    for order, (model, style) in enumerate(zip(models, styles(len(models)), strict=True)):
        if result := _curve_of(model, task):
            _intervals(axes, result, _limits(comparison, model, result), style, len(models) <= SHADED)
            _curve(axes, result, style, 3 + order, width=line_width(order, len(models)))
            last = next(value for value in reversed(result.spans) if value is not None)
            ends.append(LineEnd(100 * last, model.label, style.colour, "bold"))
            for text, score, dash in _controls(model, task):
                axes.axhline(score, color=style.colour, linewidth=1, linestyle=(0, dash), alpha=0.7, zorder=1.2)
                ends.append(LineEnd(score, text, style.colour))
    end_labels(axes, ends, points)


def _controls(model: ModelResult, task: str) -> list[tuple[str, float, tuple[int, int]]]:
    """Return label, percent and dashes of the lines of a position probe: with the gold alone, and closed book."""
    lines = []
    for family, name, dash in (("gold_only", "gold alone", (5, 2)), ("closed_book", "closed book", (1, 2))):
        found = model.of_family(family, task) if task in POSITION_PROBES else ()
        if found:
            score = 100 * fmean(result.score.avg for result in found)
            lines.append((f"{name} {score:.1f}", score, dash))
    return lines


def _depths(axes: "Axes") -> None:
    axes.set(xlim=(0, 100), xticks=range(0, 101, 25))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")


def _shade_middle(axes: "Axes") -> None:
    """Shade the middle three fifths, which the dip compares with the ends, and the middle fifth once more."""
    for (low, high), colour in zip(((20, 80), (40, 60)), SHADES, strict=True):
        axes.axvspan(low, high, color=colour, linewidth=0, zorder=0.5)


def _subtitle(task: str, comparison: Comparison) -> str:
    """Return the numbers in one line; those of four models and more fit only into the table."""
    results = [(model, result) for model in comparison.models if (result := _curve_of(model, task))]
    if len(results) > SHADED:
        return ""
    effects = [comparison.of(model, result).position for model, result in results]
    dips = " → ".join(signed(effect.dip.value) if effect else ABSENT for effect in effects)
    averages = " → ".join(percent(result.score.avg) for _, result in results)
    return f"Ends − middle {dips}   ·   Avg {averages}"


def _paper_curve(axes: "Axes", name: str, values: Sequence[float]) -> None:
    depths = [100 * (index + 0.5) / len(values) for index in range(len(values))]
    axes.plot(depths, values, color=REFERENCE, linewidth=1, linestyle=PAPER_DASHES[name], zorder=2)


def _curve(axes: "Axes", result: TaskResult, style: Style, zorder: int, size: float = 4.6, width: float = 1.8) -> None:
    axes.plot(
        [100 * depth for depth in result.depths],
        [math.nan if value is None else 100 * value for value in result.spans],
        color=style.colour,
        linestyle=style.dash,
        linewidth=width,
        marker=style.marker,
        markersize=size + 0.6 * (width - 1.8),
        markeredgecolor="white",
        markeredgewidth=0.6,
        clip_on=False,
        zorder=zorder,
    )


def _limits(comparison: Comparison, model: ModelResult, result: TaskResult) -> "Mapping[int, Interval]":
    """Intervals in percent by span, where they are known."""
    intervals = comparison.of(model, result).intervals
    spans = enumerate(intervals.spans if intervals else ())
    return {i: (100 * limits[0], 100 * limits[1]) for i, limits in spans if limits is not None}


def _intervals(axes: "Axes", result: TaskResult, limits: "Mapping[int, Interval]", style: Style, shaded: bool) -> None:
    lows, highs = ([limits.get(i, (math.nan, math.nan))[side] for i in range(len(result.spans))] for side in (0, 1))
    depths = [100 * depth for depth in result.depths]
    if not limits:
        return
    if shaded:
        axes.fill_between(depths, lows, highs, color=style.colour, alpha=0.14, linewidth=0, zorder=1.5)
    else:
        axes.vlines(depths, lows, highs, color=style.colour, alpha=0.45, linewidth=0.9, zorder=1.5)


def _rows(tasks: Sequence[str], comparison: Comparison, below: float) -> "Figure":
    """Draw a row of small plots per model, each over the paper's curves in grey."""
    from matplotlib.figure import Figure

    width = ROW[2] + (ROW[0] + 0.35) * len(tasks)
    height = ROW[1] * len(comparison.models) + 0.75 + below
    figure = Figure(figsize=(width, height), facecolor="white")
    for row, (model, style) in enumerate(zip(comparison.models, styles(len(comparison.models)), strict=True)):
        bottom = height - 0.4 - ROW[1] * (row + 1)
        name = wrap_label(f"{style.glyph} {model.label}")
        figure.text(0.13 / width, (bottom + 0.6) / height, name, color=style.colour, fontweight="bold", va="center")
        for column, task in enumerate(tasks):
            left = ROW[2] + (ROW[0] + 0.35) * column
            box = (left / width, (bottom + 0.22) / height, ROW[0] / width, (ROW[1] - 0.35) / height)
            axes = figure.add_axes(box, xticklabels=[])
            _small(axes, task, comparison, model, style)
            if row == 0:
                axes.set_title(title(task), loc="left", fontsize=12, fontweight="bold", pad=12)
            if row == len(comparison.models) - 1:
                axes.set_xticks(range(0, 101, 25), [f"{depth}%" for depth in range(0, 101, 25)])
    return figure


def _small(axes: "Axes", task: str, comparison: Comparison, model: ModelResult, style: Style) -> None:
    axes.set(xlim=(0, 100), ylim=(0, 100), yticks=(0, 50, 100))
    axes.tick_params(length=0, colors=MUTED, labelsize=LABEL_POINTS - 1.5)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(REFERENCE)
    for name, values in PAPER_CURVES.get(task, {}).items():
        _paper_curve(axes, name, values)
    if result := _curve_of(model, task):
        _intervals(axes, result, _limits(comparison, model, result), style, shaded=True)
        _curve(axes, result, style, 3, 3)
        effect = comparison.of(model, result).position
        dip = signed(effect.dip.value) if effect else ABSENT
        numbers = f"Ends − middle {dip} · Avg {percent(result.score.avg)}"
        axes.annotate(numbers, (1, 1), (0, 2), xycoords="axes fraction", textcoords="offset points", ha="right",
                      fontsize=8, color=MUTED, annotation_clip=False)  # fmt: skip

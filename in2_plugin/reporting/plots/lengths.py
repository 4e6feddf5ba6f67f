"""Draw average against length, one panel per probe and one line per model.

Lengths are equally spaced, since each is about twice the previous one. Invariant and cost as in `style.py`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.paper_numbers import title
from in2_plugin.reporting.plots.curves import PANEL, PLOT
from in2_plugin.reporting.plots.style import (
    TOGETHER,
    LineEnd,
    as_svg,
    end_labels,
    frame,
    label_points,
    line_width,
    settings,
    styles,
)
from in2_plugin.reporting.results import TaskResult
from in2_plugin.reporting.text.wording import percent, tokens

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def length_svg(task: str, comparison: Comparison) -> str:
    """Averages of `task` with 95% intervals by length, as an `<svg>` element; for models with two lengths or more."""
    from matplotlib.figure import Figure

    extra = max(0.0, label_points(_labels(comparison)) / 72 - PLOT[3])
    width, height = PANEL[0], PANEL[1] + extra
    with settings(f"length-{task}"):
        figure = Figure(figsize=(width, height), facecolor="white")
        box = (PLOT[0] / width, PLOT[1] / height, PLOT[2] / width, (PLOT[3] + extra) / height)
        _draw(figure.add_axes(box), task, comparison, (PLOT[3] + extra) * 72)
        return as_svg(figure, f"length-{task}")


def describe_lengths(task: str, comparison: Comparison) -> str:
    """Describe the panel in words."""
    sentences = []
    for model in comparison.models:
        results = model.of_family("", task)
        if results:
            points = ", ".join(f"{percent(one.score.avg)}% at {tokens(one.key.length)}" for one in results)
            sentences.append(f"{model.label}: {points}.")
    return f"{title(task)} probe, average score by length of the context. {' '.join(sentences)}"


def _labels(comparison: Comparison) -> list[str]:
    """Return the names, or the models' numbers in the tables if names would take more room than the lines."""
    models = comparison.models
    if len(models) <= TOGETHER:
        return [model.label for model in models]
    return [style.glyph for style in styles(len(models))]


def _draw(axes: "Axes", task: str, comparison: Comparison, points: float) -> None:
    frame(axes, title(task), "", "Length of the context, tokens")
    places = {length: place for place, length in enumerate(comparison.lengths)}
    axes.set(xlim=(-0.3, len(places) - 0.7), xticks=list(places.values()))
    axes.set_xticklabels([tokens(length) for length in places])
    ends = []
    models = comparison.models
    looks = zip(models, styles(len(models)), _labels(comparison), strict=True)
    for order, (model, style, label) in enumerate(looks):
        results = model.of_family("", task)
        if not results:
            continue
        axes.plot(
            [places[result.key.length] for result in results],
            [100 * result.score.avg for result in results],
            color=style.colour,
            linestyle=style.dash,
            linewidth=line_width(order, len(models)) if len(models) <= TOGETHER else 1.8,
            marker=style.marker,
            markersize=4.6,
            markeredgecolor="white",
            markeredgewidth=0.6,
            clip_on=False,
            zorder=3 + order,
        )
        _whiskers(
            axes, comparison, {places[result.key.length]: result for result in results}, model.label, style.colour
        )
        ends.append(LineEnd(100 * results[-1].score.avg, label, style.colour, "bold"))
    end_labels(axes, ends, points)


def _whiskers(axes: "Axes", comparison: Comparison, results: Mapping[int, TaskResult], label: str, colour: str) -> None:
    for place, result in results.items():
        limits = comparison.evidence[label, result.key].avg
        if limits:
            axes.vlines(place, 100 * limits[0], 100 * limits[1], color=colour, linewidth=1.2, alpha=0.6, zorder=2)

"""Draw curves over the depth as small multiples: one panel per probe and length, arms as colours, the middle shaded.

A line is the mean over seeds, thin lines are single seeds. Equal scores give equal bytes.
"""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.evidence.analysis.scores import StudyScores, Task
from benchmarks.evidence.study import UNTRAINED
from in2_plugin.probing.scoring.dip import FIFTHS
from in2_plugin.reporting.plots.style import GRID, MUTED, REFERENCE, STYLES, Style, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS, WIDTH, HEIGHT = 3, 3.6, 2.7
"""Panels per row, inches per panel."""
CENTRES = (10, 30, 50, 70, 90)
"""Middle of each fifth, percent of the depth."""


def draw_curves(scores: StudyScores, tasks: Sequence[Task]) -> str:
    """Return the panels of at least one task as SVG."""
    from matplotlib.figure import Figure

    arms = [arm for arm in (UNTRAINED, *scores.study.arms) if any(scores.seeds(task, [arm]) for task in tasks)]
    styles = {arm: STYLES[number % len(STYLES)] for number, arm in enumerate(arms)}
    n_rows = math.ceil(len(tasks) / COLUMNS)
    n_columns = min(COLUMNS, len(tasks))
    with settings("evidence"):
        figure = Figure(figsize=(WIDTH * n_columns, HEIGHT * n_rows + 0.5), layout="constrained")
        grid = figure.subplots(n_rows, n_columns, squeeze=False)
        for axes, task in zip(grid.flat, tasks, strict=False):
            _panel(axes, scores, task, styles)
        for axes in list(grid.flat)[len(tasks) :]:
            axes.set_visible(False)
        for axes in grid[:, 0]:
            axes.set_ylabel("Score, %", color=MUTED)
        for axes in list(grid.flat)[max(0, len(tasks) - n_columns) : len(tasks)]:
            axes.set_xlabel("Depth of the gold, %", color=MUTED)
        handles = [_handle(styles[arm], arm) for arm in arms]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(arms), frameon=False, fontsize=9)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "".join(line.rstrip() + "\n" for line in buffer.getvalue().splitlines())


def _panel(axes: "Axes", scores: StudyScores, task: Task, styles: dict[str, Style]) -> None:
    axes.axvspan(100 / FIFTHS, 100 - 100 / FIFTHS, color=GRID, alpha=0.55, linewidth=0)
    for arm, style in styles.items():
        curves = [scores.curve(task, arm, seed) for seed in scores.seeds(task, [arm])]
        if not curves:
            continue
        for curve in curves if len(curves) > 1 else ():
            axes.plot(CENTRES, 100 * np.array(curve), color=style.colour, linewidth=0.6, alpha=0.5)
        mean = 100 * np.mean(curves, axis=0)
        axes.plot(CENTRES, mean, color=style.colour, marker=style.marker, markersize=4, linewidth=1.8)
    name, length = task
    axes.set_title(f"{name}{f', {length:,} tokens' if length else ''}", fontsize=9, loc="left")
    axes.set(xlim=(0, 100), ylim=(0, 100), xticks=CENTRES, yticks=range(0, 101, 25))
    axes.tick_params(length=0, colors=MUTED, labelsize=8)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(REFERENCE)


def _handle(style: Style, arm: str):  # type: ignore[no-untyped-def]  # matplotlib is imported late
    from matplotlib.lines import Line2D

    return Line2D([], [], color=style.colour, marker=style.marker, markersize=4, linewidth=1.8, label=arm)

"""The position curves: score against relative depth of the answer, one panel a probe.

The same drawing serves the page (one SVG a panel, text kept as text) and the picture to paste elsewhere (one PNG).
Invariant: equal input gives equal bytes - no dates, no random ids. Cost: matplotlib's import (0.5 s) and about
0.1 s a panel.
"""

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from in2_plugin.errors import ConfigError, MissingExtra
from in2_plugin.reporting.comparison import percent
from in2_plugin.reporting.layout import spread, wrap_label
from in2_plugin.reporting.reference import FLOORS, PAPER_CURVES, TASKS, TITLES
from in2_plugin.reporting.results import ModelResult, TaskResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, REFERENCE, CAUTION = "#1b1f24", "#57606a", "#e6e8eb", "#8c959f", "#9a6700"
FOOTNOTE, CAUTION_LINE = 0.2, 0.18
"""Inches that the footnote and the line of caution take below the panels of the PNG."""

PANEL = (4.5, 3.35)
"""Width and height of a panel in inches; its type is 9 points, so that it stays readable 340 pixels wide."""

PLOT = (0.62, 0.55, 2.35, 2.2)
"""Left, bottom, width and height of the plot inside its panel, in inches; the rest of the right is for labels."""

LABEL_POINTS = 9.2
LINE_POINTS = 12.2


@dataclass(frozen=True, slots=True)
class Style:
    """How a model is drawn: colour, marker, its character in tables, and dash pattern all differ."""

    colour: str
    marker: str
    glyph: str
    dash: str | tuple[float, tuple[float, ...]]


STYLES = (
    # Okabe and Ito's vermillion and blue: apart under every common kind of colour blindness, and in grey
    Style("#d55e00", "o", "●", (0, (4, 1.6))),
    Style("#0072b2", "s", "■", "-"),
    Style("#00795a", "^", "▲", (0, (1, 1))),
    Style("#aa3377", "D", "◆", (0, (6, 1.5, 1, 1.5))),
    Style("#5b3a8e", "v", "▼", (0, (3, 1, 1, 1, 1, 1))),
    Style("#7a5c00", "P", "✚", (0, (8, 2))),
)
PAPER_DASHES = {"Mistral, paper": (0, (3, 2)), "FILM, paper": "-"}


def require_matplotlib() -> None:
    """Raise MissingExtra if the curves cannot be drawn, before anything is read or written."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtra("drawing the curves of a report", "report") from error


def styles(count: int) -> tuple[Style, ...]:
    """A style a model: a single model gets that of "after". Raises ConfigError above six models."""
    if count > len(STYLES):
        raise ConfigError(f"a report shows at most {len(STYLES)} models, not {count}; write more than one report")
    return STYLES[1:2] if count == 1 else STYLES[:count]


def panel_svg(task: str, models: Sequence[ModelResult]) -> str:
    """One probe's panel as an `<svg>` element, its ids prefixed with the task so that panels share a page."""
    with _settings(task):
        figure = _figure([task], models)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{task}-', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{task}-", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-labelledby="caption-{task}" ', 1)


def curves_png(models: Sequence[ModelResult], comparable: bool = True) -> bytes:
    """All panels side by side as a PNG, 200 pixels an inch, with a footnote since it travels without the page."""
    tasks = [task for task in TASKS if any(task in model.tasks for model in models)]
    buffer = io.BytesIO()
    with _settings("png"):
        figure = _figure(tasks, models, FOOTNOTE + (0 if comparable else CAUTION_LINE))
        _footnote(figure, comparable)
        figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    return buffer.getvalue()


def describe(task: str, models: Sequence[ModelResult]) -> str:
    """The panel in words, for those who do not see it: each model's average, gap, best and worst position."""
    sentences = []
    for model in models:
        if task not in model.tasks:
            continue
        result = model.tasks[task]
        scored = [value for value in result.spans if value is not None]
        best, worst = (
            f"{percent(value)}% at depth {100 * result.depths[result.spans.index(value)]:.0f}%"
            for value in (max(scored), min(scored))
        )
        sentences.append(
            f"{model.label}: average {percent(result.score.avg)}%, gap {percent(result.score.gap)} points, "
            f"best {best}, worst {worst}."
        )
    return f"{TITLES[task]} probe, score by depth of the answer. {' '.join(sentences)}"


@contextmanager
def _settings(salt: str) -> Iterator[None]:
    import matplotlib as mpl

    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": f"in2-{salt}",
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "text.color": INK,
        "text.parse_math": False,
    }
    # from the defaults, so that a user's matplotlibrc does not change the bytes
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        yield


def _figure(tasks: Sequence[str], models: Sequence[ModelResult], below: float = 0.0) -> "Figure":
    from matplotlib.figure import Figure

    extra = max(0.0, max(_label_points(task, models) for task in TASKS) / 72 - PLOT[3])
    width, height = PANEL[0] * len(tasks), PANEL[1] + extra + below
    figure = Figure(figsize=(width, height), facecolor="white")
    for column, task in enumerate(tasks):
        left = PANEL[0] * column + PLOT[0]
        box = (left / width, (PLOT[1] + below) / height, PLOT[2] / width, (PLOT[3] + extra) / height)
        _draw(figure.add_axes(box), task, models, (PLOT[3] + extra) * 72)
    return figure


def _footnote(figure: "Figure", comparable: bool) -> None:
    left, line = 0.13 / figure.get_figwidth(), 1 / (72 * figure.get_figheight())
    figure.text(left, 8 * line, "Grey: the paper, arXiv 2404.16811, 7B at 32K tokens", color=MUTED, fontsize=8)
    if not comparable:
        text = "Not measured in the same way: see the report"
        figure.text(left, 21 * line, text, color=CAUTION, fontsize=8.5, fontweight="bold")


def _label_points(task: str, models: Sequence[ModelResult]) -> float:
    texts = [model.label for model in models if task in model.tasks]
    texts += [*PAPER_CURVES[task], *(floor.label for floor in FLOORS[task])]
    return sum(_height(text) for text in texts)


def _height(text: str) -> float:
    return (wrap_label(text).count("\n") + 1) * LINE_POINTS + 2


def _draw(axes: "Axes", task: str, models: Sequence[ModelResult], points: float) -> None:
    _frame(axes, task, models)
    ends: list[tuple[float, str, str, str]] = []
    for floor in FLOORS[task]:
        axes.axhline(floor.score, color=REFERENCE, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        ends.append((floor.score, floor.label, MUTED, "normal"))
    for name, values in PAPER_CURVES[task].items():
        depths = [100 * (index + 0.5) / len(values) for index in range(len(values))]
        axes.plot(depths, values, color=REFERENCE, linewidth=1, linestyle=PAPER_DASHES[name], zorder=2)
        ends.append((values[-1], name, MUTED, "normal"))
    for order, (model, style) in enumerate(zip(models, styles(len(models)), strict=True)):
        if task in model.tasks:
            result = model.tasks[task]
            _curve(axes, result, style, 3 + order)
            last = next(value for value in reversed(result.spans) if value is not None)
            ends.append((100 * last, model.label, style.colour, "bold"))
    _labels(axes, ends, points)


def _frame(axes: "Axes", task: str, models: Sequence[ModelResult]) -> None:
    axes.set(xlim=(0, 100), ylim=(0, 100), xticks=range(0, 101, 25), yticks=range(0, 101, 20))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")
    axes.tick_params(length=0, colors=MUTED, labelsize=LABEL_POINTS, pad=5)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(REFERENCE)
    axes.set_xlabel("Depth of the answer in the context", color=MUTED, labelpad=6, fontsize=LABEL_POINTS)
    axes.set_ylabel("Score, %", color=MUTED, labelpad=4, fontsize=LABEL_POINTS)
    above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    axes.annotate(TITLES[task], (0, 1), (-34, 27), fontsize=12, fontweight="bold", **above)
    axes.annotate(_subtitle(task, models), (0, 1), (-34, 12), fontsize=LABEL_POINTS, color=MUTED, **above)


def _subtitle(task: str, models: Sequence[ModelResult]) -> str:
    """The numbers in one line; with four models and more they only fit into the table."""
    scores = [model.tasks[task].score for model in models if task in model.tasks]
    if len(scores) > 3:
        return ""
    averages = " → ".join(percent(score.avg) for score in scores)
    gaps = " → ".join(percent(score.gap) for score in scores)
    return f"Avg {averages}   ·   Gap {gaps}"


def _curve(axes: "Axes", result: TaskResult, style: Style, zorder: int) -> None:
    axes.plot(
        [100 * depth for depth in result.depths],
        [math.nan if value is None else 100 * value for value in result.spans],
        color=style.colour,
        linestyle=style.dash,
        linewidth=1.8,
        marker=style.marker,
        markersize=4.6,
        markeredgecolor="white",
        markeredgewidth=0.6,
        clip_on=False,
        zorder=zorder,
    )


def _labels(axes: "Axes", ends: Sequence[tuple[float, str, str, str]], points: float) -> None:
    per_point = 100 / points
    centres = spread([end[0] for end in ends], [_height(end[1]) * per_point for end in ends], 0, 100)
    for (value, text, colour, weight), centre in zip(ends, centres, strict=True):
        axes.plot((101.5, 106.5), (value, centre), color=colour, linewidth=0.7, alpha=0.7, clip_on=False)
        axes.text(
            108,
            centre,
            wrap_label(text),
            color=colour,
            fontsize=LABEL_POINTS,
            fontweight=weight,
            verticalalignment="center",
            linespacing=1.15,
        )

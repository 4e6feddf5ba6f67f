"""Define what all plots of a report share: the style of a model, the frame of a plot, labels at the ends of lines.

Invariant: equal input gives equal bytes - no dates, no random ids, nothing of a user's matplotlibrc. matplotlib is
imported only to draw (0.5 s).
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from in2_plugin.errors import MissingExtra
from in2_plugin.reporting.plots.label_layout import spread, wrap_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, REFERENCE, CAUTION = "#1b1f24", "#57606a", "#e6e8eb", "#8c959f", "#9a6700"
SHADES = ("#f6f7f9", "#e9edf2")
"""Background of the middle three fifths of the depth, and of the middle fifth."""
LABEL_POINTS = 9.2
LINE_POINTS = 12.2


@dataclass(frozen=True, slots=True)
class Style:
    """How a model is drawn: colour, marker, its character in tables, and dash pattern all differ."""

    colour: str
    marker: str
    glyph: str
    dash: str | tuple[float, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class LineEnd:
    """The label of a line, placed as near as possible to `value` on the vertical axis."""

    value: float
    text: str
    colour: str
    weight: str = "normal"


STYLES = (
    # Okabe and Ito's vermillion and blue: apart under every common kind of colour blindness, and in grey
    Style("#d55e00", "o", "●", (0, (5, 1))),
    Style("#0072b2", "s", "■", "-"),
    Style("#00795a", "^", "▲", (0, (1, 1))),
    Style("#aa3377", "D", "◆", (0, (6, 1.5, 1, 1.5))),
    Style("#5b3a8e", "v", "▼", (0, (3, 1, 1, 1, 1, 1))),
    Style("#7a5c00", "P", "✚", (0, (8, 2))),
)
MARKERS = "os^DvPXph*<>8d"
TOGETHER = len(STYLES)
"""Most models in one plot; with more, each has a separate small plot."""


def require_matplotlib() -> None:
    """Raise MissingExtra if the curves cannot be drawn, before anything is read or written."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtra("drawing the curves of a report", "report") from error


def styles(count: int) -> tuple[Style, ...]:
    """Return a style per model: a single model gets that of "after"; after six, colours repeat under a number."""
    if count <= TOGETHER:
        return STYLES[1:2] if count == 1 else STYLES[:count]
    return tuple(
        replace(STYLES[i % TOGETHER], marker=MARKERS[i % len(MARKERS)], glyph=str(i + 1), dash="-")
        for i in range(count)
    )


def line_width(order: int, count: int) -> float:
    """Return the points of line `order` of `count`; earlier ones are wider, so equal lines show as a border."""
    step = min(1.7, 4.5 / max(1, count - 1))
    return 1.8 + step * (count - 1 - order)


@contextmanager
def settings(salt: str) -> Iterator[None]:
    """matplotlib's defaults and ours on top; `salt` goes into the ids of an SVG."""
    import matplotlib as mpl

    ours = {
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
        mpl.rcParams.update(ours)
        yield


def as_svg(figure: "Figure", name: str) -> str:
    """Return a figure as an `<svg>` element with ids prefixed by `name`, so that many fit on a page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-labelledby="caption-{name}" ', 1)


def frame(axes: "Axes", title: str, subtitle: str, x_label: str) -> None:
    """Percent from 0 to 100 upwards, light lines across, title (if not empty) and subtitle above."""
    axes.set(ylim=(0, 100), yticks=range(0, 101, 20))
    axes.tick_params(length=0, colors=MUTED, labelsize=LABEL_POINTS, pad=5)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(REFERENCE)
    axes.set_xlabel(x_label, color=MUTED, labelpad=6, fontsize=LABEL_POINTS)
    axes.set_ylabel("Score, %", color=MUTED, labelpad=4, fontsize=LABEL_POINTS)
    above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    if title:
        axes.annotate(title, (0, 1), (-34, 27), fontsize=12, fontweight="bold", **above)
    axes.annotate(subtitle, (0, 1), (-34, 12), fontsize=LABEL_POINTS, color=MUTED, **above)


def label_points(texts: Sequence[str]) -> float:
    """Height in points that labels need one above the other."""
    return sum((wrap_label(text).count("\n") + 1) * LINE_POINTS + 2 for text in texts)


def end_labels(axes: "Axes", ends: Sequence[LineEnd], points: float) -> None:
    """Draw labels next to a plot of `points` height, each joined to the end of its line, without overlaps."""
    per_point = 100 / points
    heights = [label_points([end.text]) * per_point for end in ends]
    centres = spread([end.value for end in ends], heights, 0, 100)
    for end, centre in zip(ends, centres, strict=True):
        ticks = axes.get_yaxis_transform()  # across: shares of the plot's width; up: percent
        axes.plot((1.015, 1.065), (end.value, centre), color=end.colour, linewidth=0.7, alpha=0.7, clip_on=False,
                  transform=ticks)  # fmt: skip
        axes.text(
            1.08,
            centre,
            wrap_label(end.text),
            color=end.colour,
            fontsize=LABEL_POINTS,
            fontweight=end.weight,
            verticalalignment="center",
            linespacing=1.15,
            transform=ticks,
        )

"""Draw docs/images/curves.png: `python scripts/make_readme_picture.py [PICTURE]`.

Shows the paper's curves (arXiv 2404.16811) of Mistral-7B-Instruct-v0.2 and FILM-7B, with the averages and gaps of its
Table 1, in the style of `in2 report`. Invariant: every number is the paper's, none is our measurement, and the picture
states this. Cost: 1 s.
"""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING

from in2_plugin.reporting.paper_numbers import PAPER_CURVES, PAPER_ROWS, PAPER_TASKS, title
from in2_plugin.reporting.plots.style import MUTED, LineEnd, Style, end_labels, frame, settings, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURE = Path(__file__).parents[1] / "docs/images/curves.png"
SHOWN = {"Mistral, paper": "before", "FILM, paper": "after IN2"}
"""Label of each curve in the picture."""
PANEL = (3.8, 3.4)
"""Width and height in inches. At DOTS the picture is 1,596 pixels wide, twice the width shown in a README."""
PLOT = (0.62, 0.72, 2.25, 2.0)
"""Left, bottom, width and height of a plot within its panel, in inches."""
DOTS = 140
SOURCE = (
    "The paper's numbers (arXiv 2404.16811, Table 1; curves read off its figure), not ours: "
    "Mistral-7B-Instruct-v0.2 before, FILM-7B after, 32K tokens"
)


def draw(picture: Path) -> None:
    """Write the PNG, with the same bytes each time."""
    with settings("readme"):
        figure = _figure()
        figure.savefig(picture, dpi=DOTS, metadata={"Software": None, "Description": described()})


def described() -> str:
    """Return every number of the picture as JSON for its metadata, so that a test can detect an outdated picture."""
    curves = {task: {label: PAPER_CURVES[task][name] for name, label in SHOWN.items()} for task in PAPER_TASKS}
    return json.dumps([[(task, _numbers(task), curves[task]) for task in PAPER_TASKS], SOURCE])


def _figure() -> "Figure":
    from matplotlib.figure import Figure

    width = PANEL[0] * len(PAPER_TASKS)
    figure = Figure(figsize=(width, PANEL[1]), facecolor="white")
    for column, task in enumerate(PAPER_TASKS):
        left = PANEL[0] * column + PLOT[0]
        box = (left / width, PLOT[1] / PANEL[1], PLOT[2] / width, PLOT[3] / PANEL[1])
        _panel(figure.add_axes(box), task)
    figure.text(0.13 / width, 0.1 / PANEL[1], SOURCE, color=MUTED, fontsize=8)
    return figure


def _panel(axes: "Axes", task: str) -> None:
    frame(axes, title(task), _numbers(task), "Depth of the answer in the context")
    axes.set(xlim=(0, 100), xticks=range(0, 101, 25))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")
    ends = []
    for (name, label), style in zip(SHOWN.items(), styles(len(SHOWN)), strict=True):
        values = PAPER_CURVES[task][name]
        _curve(axes, values, style)
        ends.append(LineEnd(values[-1], label, style.colour, "bold"))
    end_labels(axes, ends, PLOT[3] * 72)


def _curve(axes: "Axes", values: tuple[float, ...], style: Style) -> None:
    depths = [100 * (index + 0.5) / len(values) for index in range(len(values))]
    axes.plot(depths, values, color=style.colour, linestyle=style.dash, marker=style.marker, linewidth=1.8,
              markersize=4.6, markeredgecolor="white", markeredgewidth=0.6, clip_on=False, zorder=3)  # fmt: skip


def _numbers(task: str) -> str:
    """Return Avg and Gap before and after, as in Table 1."""
    (avg, gap), (avg_after, gap_after) = (row.numbers[task] for row in PAPER_ROWS[: len(SHOWN)])
    return f"Avg {avg} → {avg_after}   ·   Gap {gap} → {gap_after}"


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    draw(parser.parse_args().picture)

"""The report as one self-contained HTML page: no script, nothing loaded from anywhere.

Invariant: everything that comes from results or labels is escaped by Jinja2; only the SVG of `figures.py`, which
escapes its own text, goes in as it is. The layout is in `page.html.j2`.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import in2_plugin
from in2_plugin.reporting.comparison import Comparison, percent
from in2_plugin.reporting.figures import describe, panel_svg, styles
from in2_plugin.reporting.noise import DRAWS
from in2_plugin.reporting.reference import FLOORS, TASKS, TITLES
from in2_plugin.reporting.tables import ABSENT, COLUMNS, fact_rows, gap_rows, measured_rows, paper_rows

TEMPLATE = "page.html.j2"


def render_page(comparison: Comparison) -> str:
    """The page as text; equal comparisons give equal text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    models = comparison.models
    tasks = [task for task in TASKS if any(task in model.tasks for model in models)]
    return environment.get_template(TEMPLATE).render(
        title="VAL probes: " + " → ".join(model.label for model in models),
        comparison=comparison,
        columns=COLUMNS,
        measured=list(zip(measured_rows(comparison), styles(len(models)), strict=True)),
        paper=paper_rows(),
        panels=[
            {"task": task, "svg": Markup(panel_svg(task, models)), "description": describe(task, models)}
            for task in tasks
        ],
        floors=[floor for task in tasks for floor in FLOORS[task]],
        gaps=gap_rows(comparison),
        draws=DRAWS,
        facts=fact_rows(comparison),
        curves=[_curve_table(comparison, task) for task in tasks],
        version=in2_plugin.__version__,
    )


def _curve_table(comparison: Comparison, task: str) -> dict[str, object]:
    """The numbers behind one panel: a row a depth, a column a model that ran the probe."""
    models = [model for model in comparison.models if task in model.tasks]
    # by depth and not by number: with another probe_spans the same number is another place
    columns = [dict(zip(model.tasks[task].depths, model.tasks[task].spans, strict=True)) for model in models]
    depths = sorted({depth for column in columns for depth in column})
    return {
        "title": TITLES[task],
        "labels": [model.label for model in models],
        "rows": [(f"{100 * depth:.0f}%", [_cell(column.get(depth)) for column in columns]) for depth in depths],
    }


def _cell(value: float | None) -> str:
    return ABSENT if value is None else percent(value)

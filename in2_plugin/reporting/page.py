"""Render the report as one self-contained HTML page without scripts or external files.

Invariant: everything that comes from results or labels is escaped by Jinja2; only the SVG of `plots/curves.py` and
`plots/lengths.py`, which escape their own text, is inserted unchanged. Sections without data are left out. The layout
is in `templates/page.html.j2` and the files it includes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import in2_plugin
from in2_plugin.reporting.baselines import shown_baselines
from in2_plugin.reporting.binomial_gap import DRAWS as BINOMIAL_DRAWS
from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.evidence import DRAWS
from in2_plugin.reporting.paper_numbers import title
from in2_plugin.reporting.plots.curves import describe, panel_svg, shown_tasks
from in2_plugin.reporting.plots.depth import CURVES, ROW, DepthPlot, depth_plot
from in2_plugin.reporting.plots.lengths import describe_lengths, length_svg
from in2_plugin.reporting.plots.style import SHADES, TOGETHER, styles
from in2_plugin.reporting.position.page_part import PARTS_OF_A_MAP, position_parts
from in2_plugin.reporting.position.section import PositionSection
from in2_plugin.reporting.suite.table import Suite
from in2_plugin.reporting.text.lengths import RULE, length_tables, length_tasks
from in2_plugin.reporting.text.matrix import STYLES_SHOWN, matrices
from in2_plugin.reporting.text.run_settings import fact_rows
from in2_plugin.reporting.text.tables import (
    authors_rows,
    baseline_rows,
    change_rows,
    columns,
    gap_rows,
    measured_rows,
    paper_rows,
)
from in2_plugin.reporting.text.wording import percent_or_absent

TEMPLATE = "page.html.j2"
NAMED = 4
"""Models that the title names; with more it gives their number."""


def render_page(
    comparison: Comparison,
    suite: Suite | None = None,
    position: Comparison | None = None,
    sections: Sequence[PositionSection] = (),
) -> str:
    """Return the page as text; equal comparisons give equal text.

    Args:
        suite: rows of other benchmarks for `suite.html.j2`, as `suite.read_suite` gives them.
        position: the same models on position probes.
        sections: what `position_sections` says about `position`.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    models = comparison.models
    tasks = shown_tasks(models)
    return environment.get_template(TEMPLATE).render(
        title=_title(comparison, position),
        comparison=comparison,
        position=position_parts(position, sections) if position else [],
        map=PARTS_OF_A_MAP,
        warnings=_all("warnings", comparison, position),
        unfinished=_all("unfinished", comparison, position),
        notes=_all("notes", comparison, position),
        styles=styles(len(models)),
        together=TOGETHER,
        columns=columns(comparison),
        measured=measured_rows(comparison),
        baseline_rows=baseline_rows(comparison),
        authors=authors_rows(comparison),
        paper=paper_rows(comparison),
        changes=change_rows(comparison),
        tasks=tasks,
        verdicts=[_verdicts(comparison, task) for task in tasks],
        panels=_panels(comparison, tasks),
        multiples=_multiples(comparison) if len(models) > TOGETHER else [],
        baselines=[baseline for task in tasks for baseline in shown_baselines(models, task)],
        gaps=gap_rows(comparison),
        other_gaps=gap_rows(comparison, other_lengths=True),
        draws=DRAWS,
        binomial_draws=BINOMIAL_DRAWS,
        is_exact=all(known.is_exact for known in comparison.evidence.values()),
        has_intervals=any(known.intervals for known in comparison.evidence.values()),
        curves=[_curve_table(comparison, task) for task in tasks],
        plot={"curves": CURVES, "row": ROW, "shades": SHADES},
        lengths=_lengths(comparison),
        matrices=matrices(comparison),
        matrix_styles=STYLES_SHOWN,
        suite=suite,
        settings=_settings(comparison, position),
        version=in2_plugin.__version__,
    )


def _title(comparison: Comparison, position: Comparison | None) -> str:
    labels = [model.label for model in comparison.models]
    has_val = any(model.probes for model in comparison.models)
    what = ("VAL and position probes" if position else "VAL probes") if has_val else "Evaluation"
    what = "Position probes" if position and not has_val else what
    return f"{what}: {' → '.join(labels) if len(labels) <= NAMED else f'{len(labels)} models'}"


def _all(name: str, *comparisons: Comparison | None) -> list[str]:
    return list(dict.fromkeys(text for one in comparisons if one for text in getattr(one, name)))


def _settings(comparison: Comparison, position: Comparison | None) -> list[tuple[str, Any]]:
    """Return the tables of settings under their captions."""
    if position is None:
        return [("VAL probes", fact_rows(comparison))]
    val = [("VAL probes", fact_rows(comparison))] if any(model.probes for model in comparison.models) else []
    return [("Position probes", fact_rows(position)), *val]


def _panels(comparison: Comparison, tasks: Sequence[str]) -> list[dict[str, Any]]:
    if len(comparison.models) > TOGETHER:
        return []
    return [
        {
            "name": task,
            "verdicts": _verdicts(comparison, task),
            "svg": Markup(panel_svg(task, comparison)),
            "description": describe(task, comparison),
        }
        for task in tasks
    ]


def _verdicts(comparison: Comparison, task: str) -> dict[str, Any]:
    """Return the verdicts on one probe, and the number in `styles` of the model that each is about."""
    labels = [model.label for model in comparison.models]
    found = [(labels.index(one.about), one) for one in comparison.verdicts if one.task == task]
    return {"title": title(task), "found": found}


def _multiples(comparison: Comparison) -> list[dict[str, Any]]:
    """Return a small plot per model and probe, at the length that represents the model."""
    return [
        {
            "model": index,
            "label": model.label,
            "name": f"curve-{index}",
            "plots": _plots(comparison, index, {task: (result,) for task, result in model.tasks.items()}),
        }
        for index, model in enumerate(comparison.models)
        if model.tasks
    ]


def _lengths(comparison: Comparison) -> dict[str, Any] | None:
    """Return the section on lengths, or None if no model was probed at two."""
    tasks = length_tasks(comparison)
    if not tasks:
        return None
    panels = [
        {
            "name": f"length-{task}",
            "svg": Markup(length_svg(task, comparison)),
            "description": describe_lengths(task, comparison),
        }
        for task in tasks
    ]
    maps = []
    for index, model in enumerate(comparison.models):
        several = {task: model.of_family("", task) for task in tasks if len(model.of_family("", task)) > 1}
        plots = _plots(comparison, index, several)
        maps.append({"model": index, "label": model.label, "name": f"map-{index}", "plots": plots})
    maps = [one for one in maps if one["plots"]]
    return {"tables": length_tables(comparison), "rule": RULE, "panels": panels, "maps": maps}


def _plots(comparison: Comparison, index: int, results: dict[str, Any]) -> list[tuple[str, str, DepthPlot]]:
    """(task, title, plot) for the results of each task."""
    colour = styles(len(comparison.models))[index].colour
    model = comparison.models[index]
    return [(task, title(task), depth_plot(comparison, model, found, colour)) for task, found in results.items()]


def _curve_table(comparison: Comparison, task: str) -> dict[str, object]:
    """Return the numbers of one panel: a row per depth, a column per model that ran the probe."""
    models = [model for model in comparison.models if task in model.tasks]
    # by depth, not by number: with another probe_spans the same number is a different depth
    columns = [dict(zip(model.tasks[task].depths, model.tasks[task].spans, strict=True)) for model in models]
    depths = sorted({depth for column in columns for depth in column})
    return {
        "title": title(task),
        "labels": [model.label for model in models],
        "rows": [
            (f"{100 * depth:.0f}%", [percent_or_absent(column.get(depth)) for column in columns]) for depth in depths
        ],
    }

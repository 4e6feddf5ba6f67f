"""Lay out the sections of position probes for `templates/position.html.j2`: numbers as text, plots as SVG."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.plots.curves import describe, panel_svg
from in2_plugin.reporting.plots.depth import depth_plot
from in2_plugin.reporting.plots.style import TOGETHER, styles
from in2_plugin.reporting.position.examples import AnswerPair, shortened
from in2_plugin.reporting.position.section import (
    Found,
    LengthPoint,
    PositionOfModel,
    PositionSection,
    length_name,
)
from in2_plugin.reporting.position.two_golds import CELL, PARTS, map_cells, part_names
from in2_plugin.reporting.text.wording import ABSENT, estimate, percent, percent_or_absent, signed, with_interval

PARTS_OF_A_MAP = {"cell": CELL, "parts": PARTS, "names": part_names()}


def position_parts(comparison: Comparison, sections: Sequence[PositionSection]) -> list[dict[str, Any]]:
    """Return the variables of one section per position probe; `sections` are those of `comparison`."""
    return [_part(comparison, section) for section in sections]


def _part(comparison: Comparison, section: PositionSection) -> dict[str, Any]:
    together = len(comparison.models) <= TOGETHER
    with_curve = [one for one in section.models if comparison.models[one.model].tasks[section.task].has_curve]
    several = [one for one in with_curve if len(one.lengths) > 1 or not together]
    return {
        "section": section,
        "svg": Markup(panel_svg(section.task, comparison)) if together and with_curve else None,
        "description": describe(section.task, comparison),
        "rows": [_row(comparison, section.task, one) for one in section.models],
        "lengths": [_lengths(one) for one in section.models if len(one.lengths) > 1 or one.window],
        "plots": [(one, _plot(comparison, section.task, one)) for one in several],
        "maps": [(one, map_cells(one.two_golds), _distances(one)) for one in section.models if one.two_golds],
        "judged": [_judged(one) for one in section.models if one.judged],
        "found": [_found(one) for one in section.found if one.pairs],
        "lost": [_lost(one) for one in section.models if one.lost],
    }


def _row(comparison: Comparison, task: str, one: PositionOfModel) -> dict[str, Any]:
    model = comparison.models[one.model]
    known = comparison.of(model, model.tasks[task])
    middle = known.position.middle if known.position else None
    dip, dip_interval = estimate(known.position.dip if known.position else None)
    return {
        "model": one.model,
        "label": one.label,
        "gold_only": percent_or_absent(one.gold_only),
        "avg": with_interval(one.avg, known.avg),
        "middle": with_interval(middle.value, middle.interval) if middle else ABSENT,
        "dip": f"{dip} {dip_interval}".rstrip(),
        "closed_book": percent_or_absent(one.closed_book),
    }


def _plot(comparison: Comparison, task: str, one: PositionOfModel) -> Any:
    model = comparison.models[one.model]
    return depth_plot(comparison, model, model.of_family("", task), styles(len(comparison.models))[one.model].colour)


def _lengths(one: PositionOfModel) -> dict[str, Any]:
    return {"model": one.model, "label": one.label, "rows": [_length(point) for point in one.lengths]}


def _length(point: LengthPoint) -> tuple[str, str, str]:
    return length_name(point), percent(point.avg), ABSENT if point.dip is None else signed(point.dip)


def _distances(one: PositionOfModel) -> list[tuple[str, str]]:
    assert one.two_golds is not None
    return list(zip(part_names(), map(percent_or_absent, one.two_golds.by_distance), strict=True))


def _judged(one: PositionOfModel) -> dict[str, Any]:
    assert one.judged is not None
    judged = one.judged
    kappa = "" if judged.agreement.kappa is None else f", Cohen's kappa {judged.agreement.kappa:.2f}"
    agreement = f"{percent(judged.agreement.agreement)}% of {judged.agreement.answers:,} answers{kappa}"
    curve = [percent_or_absent(value) for value in judged.curve.spans]
    return {"model": one.model, "label": one.label, "judge": judged.judge, "avg": percent(judged.curve.avg),
            "agreement": agreement, "curve": curve}  # fmt: skip


def _lost(one: PositionOfModel) -> dict[str, Any]:
    heading = f"{one.label}: right at the end of the context, wrong in the middle"
    return _examples(heading, "At the end", "In the middle", one.lost)


def _found(found: Found) -> dict[str, Any]:
    heading = f"In the middle: wrong with {found.before}, right with {found.after}"
    return _examples(heading, found.before, found.after, found.pairs)


def _examples(heading: str, first: str, second: str, pairs: tuple[AnswerPair, ...]) -> dict[str, Any]:
    rows = [
        {
            "question": shortened(pair.question),
            "gold": shortened(pair.gold),
            "answers": [(shortened(text), f"depth {100 * depth:.0f}%") for text, depth in
                        zip((pair.first, pair.second), pair.depths, strict=True)],
        }
        for pair in pairs
    ]  # fmt: skip
    return {"heading": heading, "names": (first, second), "rows": rows}

"""Write the sections of position probes as JSON values: everything that the page has, at full precision and length."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.position.section import PositionSection
from in2_plugin.reporting.report_json import as_json

KEPT = ("warnings", "notes", "models", "verdicts", "differences")


def position_json(comparison: Comparison, sections: Sequence[PositionSection]) -> dict[str, Any]:
    """Return results, verdicts and differences in the form of the VAL probes, and the sections of the page."""
    whole = as_json(comparison)
    return {key: whole[key] for key in KEPT} | {"sections": [_section(one) for one in sections]}


def _section(section: PositionSection) -> dict[str, Any]:
    """Return a section; its verdicts become their sentences, and its headline is among those of the whole report."""
    values = asdict(section) | {"verdicts": [sentence for sentence, _ in section.verdicts]}
    del values["headline"]
    return values

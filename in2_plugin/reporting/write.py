"""Write `report.html`, `report.json` and `report.png` from folders of results.

Everything is read, compared and drawn before the first file is written, and each file is written atomically: an error
leaves the old report unchanged. Equal results give equal bytes; no file contains the time of writing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_atomic, write_json_atomic, write_text_atomic
from in2_plugin.reporting.comparison import Comparison, compare
from in2_plugin.reporting.page import render_page
from in2_plugin.reporting.plots.curves import curves_png, shown_tasks
from in2_plugin.reporting.plots.style import require_matplotlib
from in2_plugin.reporting.position.json_part import position_json
from in2_plugin.reporting.position.read import read_position_models
from in2_plugin.reporting.position.section import PositionSection, position_sections
from in2_plugin.reporting.read_results import read_models, refuse_without_results
from in2_plugin.reporting.report_json import as_json
from in2_plugin.reporting.results import ModelResult
from in2_plugin.reporting.suite.table import Suite, read_suite
from in2_plugin.reporting.text.headline import headlines


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """What was compared, and the files it went to: HTML, JSON, and a PNG where there are curves to draw."""

    comparison: Comparison
    position: Comparison | None
    """The same models on position probes; None if no model ran one."""
    sections: tuple[PositionSection, ...]
    """What the page says about each position probe; made once, because it reads the logged answers."""
    suite: Suite | None
    paths: tuple[Path, ...]
    record: Mapping[str, Any]
    """The content of the JSON file."""


def write_report(results: Sequence[Path], output: Path, labels: Sequence[str] = ()) -> WrittenReport:
    """Compare lm_eval results and write `output` (.html) and a .json and a .png with the same stem.

    Args:
        results: One folder or results file a model, first = before, second = after; any number.
        output: Where the page goes; its folder is made if it is not there.
        labels: Names for the models, as many as there are results; by default those of the models.

    Raises:
        MissingExtra: matplotlib is not installed.
        ReportError: results are missing or damaged.
        ConfigError: the labels or the output's name are impossible.
    """
    require_matplotlib()
    if output.suffix != ".html":
        raise ConfigError(f"the report is a web page, so --output must end with .html, not be {output.name}")
    models = read_models(results, labels)
    position = _position(models)
    suite = _suite(models, position)
    comparison = compare(models)
    sections = position_sections(position) if position else ()
    page, record = render_page(comparison, suite, position, sections), as_json(comparison)
    found = filter(None, (section.headline for section in sections))
    record["headlines"] = [asdict(one) for one in (*found, *headlines(comparison))]
    if position is not None:
        record["position_probes"] = position_json(position, sections)
    if suite is not None:
        record["suite"] = suite.as_json()
    paths = [output, output.with_suffix(".json")]
    output.parent.mkdir(parents=True, exist_ok=True)
    for drawn in (comparison, position):
        if drawn is not None and shown_tasks(drawn.models):
            both = drawn is position and any(model.tasks for model in models)
            paths.append(output.with_name(f"{output.stem}-position.png") if both else output.with_suffix(".png"))
            write_atomic(paths[-1], _writer(curves_png(drawn)))
    write_json_atomic(paths[1], record)
    write_text_atomic(paths[0], page)
    return WrittenReport(comparison, position, sections, suite, tuple(paths), record)


def _position(models: Sequence[ModelResult]) -> Comparison | None:
    found = read_position_models(models)
    return compare(found) if any(model.probes for model in found) else None


def _suite(models: Sequence[ModelResult], position: Comparison | None) -> Suite | None:
    """Results of other benchmarks, if there are any; a model that has neither these nor a probe is refused."""
    asked = {model.label for model in position.models if model.probes} if position else set()
    for model in models:
        if not model.probes and model.label not in asked and read_suite([model.source], [model.label]) is None:
            refuse_without_results(model)
    return read_suite([model.source for model in models], [model.label for model in models])


def _writer(content: bytes) -> Callable[[Path], None]:
    def write(part: Path) -> None:
        part.write_bytes(content)

    return write

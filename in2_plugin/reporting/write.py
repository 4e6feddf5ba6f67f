"""From results folders to `report.html`, `report.json` and `report.png`.

Everything is read, compared and drawn before the first file is written, and each file is sealed: an error leaves
the old report as it was. Equal results give equal bytes; the time of writing is in none of the files.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from in2_plugin.errors import ConfigError
from in2_plugin.reporting.comparison import Comparison, compare
from in2_plugin.reporting.figures import curves_png, require_matplotlib, styles
from in2_plugin.reporting.page import render_page
from in2_plugin.reporting.record import as_json
from in2_plugin.reporting.results import read_models
from in2_plugin.sealing import seal, seal_json, seal_text


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """What was compared, and the files it went to: HTML, JSON, PNG."""

    comparison: Comparison
    paths: tuple[Path, Path, Path]


def write_report(results: Sequence[Path], output: Path, labels: Sequence[str] = ()) -> WrittenReport:
    """Compare lm_eval results and write `output` (.html) with a .json and a .png of the same stem beside it.

    Args:
        results: One folder or results file a model, first = before, second = after; one to six.
        output: Where the page goes; its folder is made if it is not there.
        labels: Names for the models, as many as there are results; by default those of the models.

    Raises:
        MissingExtra: matplotlib is not installed.
        ReportError: results are missing or damaged.
        ConfigError: the labels, the number of results or the output's name are impossible.
    """
    require_matplotlib()
    if output.suffix != ".html":
        raise ConfigError(f"the report is a web page, so --output must end with .html, not be {output.name}")
    styles(len(results))
    comparison = compare(read_models(results, labels))
    page, picture = render_page(comparison), curves_png(comparison.models, comparable=not comparison.warnings)
    paths = (output, output.with_suffix(".json"), output.with_suffix(".png"))
    output.parent.mkdir(parents=True, exist_ok=True)
    seal(paths[2], _writer(picture))
    seal_json(paths[1], as_json(comparison))
    seal_text(paths[0], page)
    return WrittenReport(comparison, paths)


def _writer(content: bytes) -> Callable[[Path], None]:
    def write(part: Path) -> None:
        part.write_bytes(content)

    return write

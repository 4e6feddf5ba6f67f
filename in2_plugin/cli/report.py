"""`in2 report`: compare lm_eval results of any number of models and lengths on one page.

The terminal shows scores and effective lengths; intervals and everything else are on the page.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin.cli.tables import make_console, make_table
from in2_plugin.cli.terminal import say

if TYPE_CHECKING:
    from rich.table import Table

    from in2_plugin.reporting.comparison import Comparison
    from in2_plugin.reporting.text.lengths import LengthTable


def report(
    results: Annotated[
        list[Path], typer.Argument(help="Result folders or files of lm_eval, one per model; the model before first.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="HTML file to write, with a .json and a .png next to it.")
    ] = Path("report.html"),
    label: Annotated[list[str] | None, typer.Option(help="Name of a model; repeat in the order of RESULTS.")] = None,
) -> None:
    """Show what training changed in the VAL probes. Averages, gaps and position curves on one page."""
    from in2_plugin.reporting import write_report

    written = write_report(results, output, label or ())
    for warning in written.comparison.warnings:
        say(f"warning: {warning}", err=True)
    for note in written.comparison.notes:
        say(note)
    _print_tables(written.comparison)
    for warning in written.comparison.unfinished:
        say(f"warning: {warning}", err=True)
    for one in written.comparison.verdicts:
        say(f"{one.after}, {one.task}: {one.verdict}. {one.reason}")
    if written.comparison.summary:
        say(written.comparison.summary)
    say(f"wrote {', '.join(str(path) for path in written.paths)}")


def _print_tables(comparison: "Comparison") -> None:
    from in2_plugin.reporting.text.lengths import length_tables

    console = make_console()
    if any(model.probes for model in comparison.models):
        console.print(_scores(comparison))
    for table in length_tables(comparison):
        console.print(_lengths(table))


def _scores(comparison: "Comparison") -> "Table":
    from rich.text import Text

    from in2_plugin.reporting.text.tables import authors_rows, columns, measured_rows, paper_rows

    table = make_table("Ends - middle/Avg/Gap, %", columns(comparison))
    for row in (*measured_rows(comparison), *authors_rows(comparison), *paper_rows(comparison)):
        name = f"{row.name} ({row.measured})" if row.measured else row.name
        cells = (f"{cell.dip}/{cell.avg}/{cell.gap}" for cell in row.cells)
        # Text, not str: square brackets in a label are not markup
        table.add_row(Text(name, style="dim" if row.measured else "bold"), *cells)
    return table


def _lengths(lengths: "LengthTable") -> "Table":
    from rich.text import Text

    from in2_plugin.reporting.text.wording import ABSENT

    table = make_table(f"{lengths.title} by length, Avg/Gap, %", (*lengths.lengths, "effective length"))
    for row in lengths.rows:
        values = (f"{cell.avg}/{cell.gap}" if cell else ABSENT for cell in row.cells)
        table.add_row(Text(row.name, style="bold"), *values, row.effective)
    return table

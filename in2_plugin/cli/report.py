"""`in2 report`: what lm_eval measured, of any number of models and lengths, as one page.

The terminal shows the scores and the effective lengths; intervals and all the rest are on the page.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from in2_plugin.reporting.comparison import Comparison
    from in2_plugin.reporting.text.lengths import LengthTable

PLAIN_WIDTH = 200
"""Columns where the output is not a terminal: no row is broken in a log or a pipe."""


def report(
    results: Annotated[
        list[Path],
        typer.Argument(help="Folders or files that lm_eval wrote, one a model: first before, second after."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page; a .json and a .png go beside it.")] = Path(
        "report.html"
    ),
    label: Annotated[
        list[str] | None, typer.Option(help="Name of a model in the report; once for each of RESULTS, in order.")
    ] = None,
) -> None:
    """Show what training changed: averages, gaps and position curves of the VAL probes."""
    from in2_plugin.reporting import write_report

    written = write_report(results, output, label or ())
    for warning in written.comparison.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for note in written.comparison.notes:
        typer.echo(note)
    _print_tables(written.comparison)
    if written.comparison.summary:
        typer.echo(written.comparison.summary)
    typer.echo(f"wrote {', '.join(str(path) for path in written.paths)}")


def _print_tables(comparison: "Comparison") -> None:
    from rich.console import Console

    from in2_plugin.reporting.text.lengths import length_tables

    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else PLAIN_WIDTH)
    if any(model.probes for model in comparison.models):
        console.print(_scores(comparison, terminal))
    for table in length_tables(comparison):
        console.print(_lengths(table, terminal))


def _empty_table(first: str, columns: "Sequence[str]", terminal: bool) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if terminal else None, title=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _scores(comparison: "Comparison", terminal: bool) -> "Table":
    from rich.text import Text

    from in2_plugin.reporting.text.tables import COLUMNS, authors_rows, measured_rows, paper_rows

    table = _empty_table("Avg / Gap, %", COLUMNS, terminal)
    for row in (*measured_rows(comparison), *authors_rows(comparison), *paper_rows()):
        name = f"{row.name} ({row.measured})" if row.measured else row.name
        cells = (f"{cell.avg} / {cell.gap}" for cell in row.cells)
        # Text, not str: a label with square brackets is a name, not markup
        table.add_row(Text(name, style="dim" if row.measured else "bold"), *cells)
    return table


def _lengths(lengths: "LengthTable", terminal: bool) -> "Table":
    from rich.text import Text

    from in2_plugin.reporting.text.wording import ABSENT

    columns = (*lengths.lengths, "effective length")
    table = _empty_table(f"{lengths.title} by length, Avg / Gap, %", columns, terminal)
    for row in lengths.rows:
        values = (f"{cell.avg} / {cell.gap}" if cell else ABSENT for cell in row.cells)
        table.add_row(Text(row.name, style="bold"), *values, row.effective)
    return table

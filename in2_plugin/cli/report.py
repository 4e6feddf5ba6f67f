"""`in2 report`: what lm_eval measured on the VAL probes, before and after, as one page."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from in2_plugin.reporting.comparison import Comparison

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
    _print_scores(written.comparison)
    typer.echo(written.comparison.summary)
    typer.echo(f"wrote {', '.join(str(path) for path in written.paths)}")


def _print_scores(comparison: "Comparison") -> None:
    from rich.console import Console

    terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if terminal else PLAIN_WIDTH).print(_table(comparison, terminal))


def _table(comparison: "Comparison", terminal: bool) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from in2_plugin.reporting.tables import COLUMNS, measured_rows, paper_rows

    table = Table(box=box.SIMPLE_HEAD if terminal else None, title=None, pad_edge=False)
    table.add_column("Avg / Gap, %", overflow="fold")
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for row in (*measured_rows(comparison), *paper_rows()):
        name = f"{row.name} ({row.measured})" if row.measured else row.name
        cells = (f"{avg} / {gap}" for avg, gap in row.cells)
        # Text, not str: a label with square brackets is a name, not markup
        table.add_row(Text(name, style="dim" if row.measured else "bold"), *cells)
    return table

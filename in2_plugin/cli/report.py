"""`in2 report`: compare lm_eval results of any number of models and lengths on one page.

The terminal shows scores and effective lengths; intervals and everything else are on the page.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin.cli.tables import make_console, make_table
from in2_plugin.cli.terminal import say
from in2_plugin.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from in2_plugin.reporting import WrittenReport
    from in2_plugin.reporting.comparison import Comparison
    from in2_plugin.reporting.position.section import PositionSection
    from in2_plugin.reporting.text.lengths import LengthTable


def report(
    results: Annotated[
        list[Path], typer.Argument(help="Result folders or files of lm_eval, one per model; the model before first.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="HTML file to write, with a .json and a .png next to it.")
    ] = Path("report.html"),
    label: Annotated[list[str] | None, typer.Option(help="Name of a model; repeat in the order of RESULTS.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the content of the .json file instead of text.")
    ] = False,
    card: Annotated[bool, typer.Option("--card", help="Print model-index YAML and a table for a model card.")] = False,
) -> None:
    """Show what training changed in VAL and position probes. Verdicts and position curves on one page."""
    from in2_plugin.reporting import write_report

    if as_json and card:
        raise ConfigError("--json and --card both print to stdout; give one of them")
    written = write_report(results, output, label or ())
    for one in (written.comparison, written.position):
        for warning in (*one.warnings, *one.unfinished) if one else ():
            say(f"warning: {warning}", err=True)
    if card:
        typer.echo(_card(written))
    elif as_json:
        typer.echo(json.dumps(written.record, ensure_ascii=False, indent=2))
    else:
        _print(written)
    say(f"wrote {', '.join(str(path) for path in written.paths)}", err=as_json or card)


def _card(written: "WrittenReport") -> str:
    from in2_plugin.reporting.model_card import model_card

    return model_card(
        [one for one in (written.comparison, written.position) if one and any(m.tasks for m in one.models)]
    )


def _print(written: "WrittenReport") -> None:
    from in2_plugin.reporting.position.section import lead

    comparison, position = written.comparison, written.position
    for note in dict.fromkeys((*comparison.notes, *(position.notes if position else ()))):
        say(note)
    _print_tables(comparison)
    for one in comparison.verdicts:
        say(f"{one.about}, {one.task}: {one.verdict}. {one.reason}")
    if comparison.summary:
        say(comparison.summary)
    if position:
        make_console().print(_position_scores(written.sections))
        for one in position.verdicts:
            say(f"{one.task}: {lead(one)}")


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


def _position_scores(sections: "Sequence[PositionSection]") -> "Table":
    from rich.text import Text

    from in2_plugin.reporting.text.wording import ABSENT, percent, percent_or_absent, signed, tokens

    table = make_table("Position probe, %", ("model", "length", "gold alone", "avg", "ends - middle", "closed book"))
    for section in sections:
        for one in section.models:
            dips = [point.dip for point in one.lengths if point.length == one.length]
            dip = ABSENT if dips[0] is None else signed(dips[0])
            controls = percent_or_absent(one.gold_only), percent_or_absent(one.closed_book)
            table.add_row(Text(section.title, style="bold"), Text(one.label), tokens(one.length), controls[0],
                          percent(one.avg), dip, controls[1])  # fmt: skip
    return table


def _lengths(lengths: "LengthTable") -> "Table":
    from rich.text import Text

    from in2_plugin.reporting.text.wording import ABSENT

    table = make_table(f"{lengths.title} by length, Avg/Gap, %", (*lengths.lengths, "effective length"))
    for row in lengths.rows:
        values = (f"{cell.avg}/{cell.gap}" if cell else ABSENT for cell in row.cells)
        table.add_row(Text(row.name, style="bold"), *values, row.effective)
    return table

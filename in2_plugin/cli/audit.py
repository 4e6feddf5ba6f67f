"""`in2 audit`: check that a dataset is what its build file promises."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin.cli.options import AsJson, DatasetFolder
from in2_plugin.cli.tables import make_console
from in2_plugin.cli.terminal import say

if TYPE_CHECKING:
    from in2_plugin.inspection.figures import Audit


def audit(
    folder: DatasetFolder,
    tokenizer: Annotated[
        str | None, typer.Option(help="Tokenizer folder or hub name, if the one in the build file is not available.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that a dataset is what its build file asks for. Covers positions, lengths, masks, leaks and more.

    Writes audit.json and report.html to the folder. Exit status 1 when a figure is out of bounds.
    """
    from in2_plugin.inspection.audit.run import audit_dataset

    found = audit_dataset(folder, tokenizer)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False, sort_keys=True))
    else:
        _show(found)
    failing = found.failing
    if not failing:
        say(f"{folder}: passed, {len(found.figures)} figures; see report.html there", err=as_json)
        return
    others = f" (and {len(failing) - 1} more, see report.html there)" if len(failing) > 1 else ""
    say(f"{folder}: fails: {failing[0].sentence()}{others}", err=as_json)
    raise typer.Exit(1)


def _show(found: "Audit") -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from in2_plugin.inspection.figures import short

    table = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False)
    for column, justify in (("", "left"), ("figure", "left"), ("value", "right"), ("bound", "right")):
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("measured on", overflow="fold")
    for figure in found.figures:
        verdict = Text("ok", "green") if figure.passed else Text("FAILS", "bold red")
        table.add_row(verdict, figure.name, short(figure.value), short(figure.bound), Text(figure.detail))
    # wide enough that no row wraps outside a terminal
    make_console(max(len(figure.detail) for figure in found.figures) + 120).print(table)

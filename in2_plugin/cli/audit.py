"""`in2 audit`: is a dataset what its build file promises?"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from in2_plugin.inspection.figures import Audit


def audit(
    folder: Annotated[Path, typer.Argument(help="A dataset folder: the `output` of a build file.")],
    tokenizer: Annotated[
        str | None, typer.Option(help="Folder or hub name of its tokenizer, if the build file's cannot be had here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print audit.json instead of a table.")] = False,
) -> None:
    """Hold a dataset against its build file: positions, lengths, mixture, masks, leaks, evaluation text.

    Writes audit.json and report.html into the folder. Exit status 1 when a figure breaks its bound.
    """
    from in2_plugin.inspection.audit.run import audit_folder

    found = audit_folder(folder, tokenizer)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False, sort_keys=True))
    else:
        _show(found)
    failing = found.failing
    if not failing:
        typer.echo(f"{folder}: passed, {len(found.figures)} figures; see report.html there", err=as_json)
        return
    others = f" (and {len(failing) - 1} more, see report.html there)" if len(failing) > 1 else ""
    typer.echo(f"{folder}: fails: {failing[0].sentence()}{others}", err=as_json)
    raise typer.Exit(1)


def _show(found: "Audit") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from in2_plugin.inspection.figures import short

    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False)
    for column, justify in (("", "left"), ("figure", "left"), ("value", "right"), ("bound", "right")):
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("looked at", overflow="fold")
    for figure in found.figures:
        verdict = Text("ok", "green") if figure.passed else Text("FAILS", "bold red")
        table.add_row(verdict, figure.name, short(figure.value), short(figure.bound), Text(figure.detail))
    # where the output is not a terminal no row is broken
    width = None if terminal else max(len(figure.detail) for figure in found.figures) + 120
    Console(file=sys.stdout, width=width).print(table)

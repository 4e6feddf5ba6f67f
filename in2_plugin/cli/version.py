"""`in2 --version`."""

from typing import Annotated

import typer

import in2_plugin


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"in2-plugin {in2_plugin.__version__}")
        raise typer.Exit


def show_version(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Options that belong to no command."""

"""`in2 --version`: the options of `in2` itself."""

from typing import Annotated

import typer

import in2_plugin


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"in2-plugin {in2_plugin.__version__}")
        raise typer.Exit


def show_version(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Build IN2 training data, train on it with Axolotl or TRL, and probe the result."""

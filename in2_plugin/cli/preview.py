"""`in2 preview`: a few questions, written for real and shown with the segments that answer them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from in2_plugin.pipeline.preview import Shown

PLAIN_WIDTH = 120
SHOWN = 100
"""Characters shown of a segment that is not gold."""


def preview(
    build_file: Annotated[Path, typer.Argument(help="The build file, for example build.yml.")],
    number: Annotated[int, typer.Option("-n", min=1, help="Questions to write.")] = 5,
) -> None:
    """Write a few questions and show them with their gold segments. Paid answers are kept for the build."""
    from rich.console import Console

    from in2_plugin.config import load_build_file
    from in2_plugin.pipeline.preview import preview as shown
    from in2_plugin.questions import Question

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
    good = bad = 0
    for one in shown(load_build_file(build_file), number):
        if isinstance(one.result, Question):
            good += 1
        else:
            bad += 1
        console.print(_rendered(one))
    typer.echo(f"{good} questions, {bad} turned down" if bad else f"{good} questions")


def _beginning(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]} ..."


def _rendered(one: "Shown") -> "RenderableType":
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    from in2_plugin.questions import Question

    result = one.result
    if isinstance(result, Question):
        title, style = f"{result.kind.replace('_', '-')} · {one.document}", "green"
        said = [Text.assemble(("Q  ", "bold"), result.question), Text.assemble(("A  ", "bold"), result.answer)]
    else:
        title, style = f"turned down · {one.document}", "red"
        said = [Text.assemble(("turned down: ", "bold"), result.reason)]
        if result.question is not None:
            said += [Text(f"Q  {result.question}"), Text(f"A  {result.answer}")]
    segments = []
    for segment in one.segments:
        mark = "GOLD " if segment.is_gold else ""
        segments.append(Text(f"\n{mark}segment {segment.number}", style="bold yellow" if mark else "dim"))
        segments.append(Text(segment.text) if mark else Text(_beginning(segment.text), style="dim"))
    return Panel(Group(*said, *segments), title=Text(title), title_align="left", border_style=style)

"""`in2 preview`: write a few questions and show them with their gold segments."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from in2_plugin.cli.options import AsJson, BuildFile
from in2_plugin.cli.tables import make_console
from in2_plugin.cli.terminal import say

if TYPE_CHECKING:
    from rich.console import RenderableType

    from in2_plugin.pipeline.preview import PreviewResult

PLAIN_WIDTH = 120
"""Columns of a panel outside a terminal."""
SHOWN_CHARS = 100
"""Characters to show of a segment that is not gold."""


def preview(
    build_file: BuildFile,
    number: Annotated[int, typer.Option("-n", min=1, help="Number of questions to write.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Write a few questions and show them with their gold segments. The build reuses paid answers."""
    from in2_plugin.config import load_build_config
    from in2_plugin.pipeline.preview import preview as write_preview
    from in2_plugin.questions import Question

    results = write_preview(load_build_config(build_file), number)
    if as_json:
        typer.echo(json.dumps([_as_json(one) for one in results], indent=2, ensure_ascii=False))
        return
    console = make_console(PLAIN_WIDTH)
    accepted = rejected = 0
    for one in results:
        if isinstance(one.result, Question):
            accepted += 1
        else:
            rejected += 1
        console.print(_rendered(one))
    say(f"{accepted} questions, {rejected} rejected" if rejected else f"{accepted} questions")


def _as_json(one: "PreviewResult") -> dict[str, Any]:
    from in2_plugin.questions import Rejection

    result = one.result
    reason = result.reason if isinstance(result, Rejection) else None
    return {
        "document": one.document, "question": result.question, "answer": result.answer, "rejected": reason,
        "segments": [asdict(segment) for segment in one.segments],
    }  # fmt: skip


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else f"{line[:SHOWN_CHARS]} ..."


def _rendered(one: "PreviewResult") -> "RenderableType":
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    from in2_plugin.questions import Question

    result = one.result
    if isinstance(result, Question):
        title, style = f"{result.kind.replace('_', '-')} · {one.document}", "green"
        lines = [Text.assemble(("Q  ", "bold"), result.question), Text.assemble(("A  ", "bold"), result.answer)]
    else:
        title, style = f"rejected · {one.document}", "red"
        lines = [Text.assemble(("rejected: ", "bold"), result.reason)]
        if result.question is not None:
            lines += [Text(f"Q  {result.question}"), Text(f"A  {result.answer}")]
    segments = []
    for segment in one.segments:
        mark = "GOLD " if segment.is_gold else ""
        segments.append(Text(f"\n{mark}segment {segment.number}", style="bold yellow" if mark else "dim"))
        segments.append(Text(segment.text) if mark else Text(_shortened(segment.text), style="dim"))
    return Panel(Group(*lines, *segments), title=Text(title), title_align="left", border_style=style)

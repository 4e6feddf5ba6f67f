"""`in2 status`: the progress of a build, from its dataset folder."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from in2_plugin.cli.options import AsJson, DatasetFolder
from in2_plugin.cli.terminal import say

if TYPE_CHECKING:
    from rich.table import Table

    from in2_plugin.inspection.status import FolderStatus, LogStatus

SHOWN_REASONS = 5


def status(
    folder: DatasetFolder,
    as_json: AsJson = False,
) -> None:
    """Show the progress and contents of a dataset folder. Also works while the build runs."""
    from in2_plugin.inspection.status import read_status

    found = read_status(folder)
    if as_json:
        typer.echo(json.dumps({**asdict(found), "next_step": found.next_step}, indent=2, default=str))
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(table(found))
    else:
        for name, value in lines(found):
            say(f"{name:<11}{value}")


def table(found: "FolderStatus") -> "Table":
    """Return the lines as a grid for a terminal, where long values wrap within their column."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines(found):
        # Text, not str: reasons come from servers and may look like markup
        grid.add_row(name, Text(value))
    return grid


def lines(found: "FolderStatus") -> Iterator[tuple[str, str]]:
    """Yield (label, value) in the order of the stages."""
    from in2_plugin import layout
    from in2_plugin.questions.form_counts import form_line

    yield "folder", str(found.folder)
    yield "locked by", str(found.holder or "none")
    yield "finished", ", ".join(found.finished) or "none yet"
    yield "remaining", ", ".join(name for name in layout.STAGES if name not in found.finished) or "none"
    for stage, (finished, shards) in found.shards.items():
        yield "shards", f"{stage.replace('_', '-')}: {finished:,} of {shards:,} done"
    if found.segments:
        records = found.segments.get("record_segments", 0)
        text = f"{found.segments['segments'] - records:,} from {found.segments['documents']:,} documents"
        yield "segments", f"{text}, {records:,} of invented records" if records else text
    if found.questions:
        yield "questions", _counts(found.questions)
    elif found.wanted:
        yield "wanted", _counts(found.wanted)
    if found.forms:
        yield "forms", form_line(found.forms)
    yield from _reasons("rejected", found.rejected)
    if found.examples:
        yield "examples", f"{found.examples:,}"
    if found.log:
        yield from _log_lines(found.log)
    yield "on disk", ", ".join(f"{name} {_size(size)}" for name, size in found.bytes_by_part.items() if size >= 1_000)
    yield "next", found.next_step


def _log_lines(log: "LogStatus") -> Iterator[tuple[str, str]]:
    for purpose, use in log.answers.items():
        tokens = f"{use.input_tokens:,} tokens in, {use.output_tokens:,} out"
        if use.estimated:
            tokens += f"; {use.estimated:,} without token counts of the server, estimated from the texts"
        yield "answers", f"{use.answers:,} for {purpose.replace('_', '-')}, {tokens}"
    if not log.answers:
        yield "answers", "none yet"
    if log.answer_format:
        yield "format", log.answer_format
    if log.money:
        sums = " and ".join(f"{money:,.2f} {currency}" for currency, money in log.money.items())
        without = f", without {', '.join(log.unpriced)}: no prices given" if log.unpriced else ""
        about = "about " if any(use.estimated for use in log.answers.values()) else ""
        yield "paid", f"{about}{sums} at the prices of the build file{without}"
    if log.open_batches:
        yield "batches", f"{log.open_batches} open on the server; the next run collects them"
    yield from _reasons("failed", log.failures)


def _reasons(name: str, reasons: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    shown = list(reasons.items())
    for reason, count in shown[:SHOWN_REASONS]:
        yield name, f"{count:,} x {reason}"
    if rest := shown[SHOWN_REASONS:]:
        yield name, f"{sum(count for _, count in rest):,} for {len(rest)} other reasons"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind.replace('_', '-')}" for kind, count in counts.items())


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1_000:
            return f"{size:.0f} {unit}"
        size /= 1_000
    return f"{size:,.1f} TB"

"""`in2 estimate`: calls, tokens, money and time, before the first call."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from in2_plugin.pipeline.estimate import Estimate

PLAIN_WIDTH = 160


def estimate(
    build_file: Annotated[Path, typer.Argument(help="The build file, for example build.yml.")],
    calls: Annotated[
        int,
        typer.Option(min=0, help="Really ask about this many passages of each kind, and measure. Kept for the build."),
    ] = 0,
    rate: Annotated[float, typer.Option(min=0.001, help="Calls a second that the endpoint gives you.")] = 10.0,
) -> None:
    """Say what the questions of a build will cost. Without `--calls` nothing is asked and nothing paid."""
    from rich.console import Console

    from in2_plugin.config import load_build_file
    from in2_plugin.pipeline.estimate import estimate_build

    config = load_build_file(build_file)
    found = estimate_build(config, calls)
    terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if terminal else PLAIN_WIDTH).print(_table(found, rate, terminal))
    for note in _notes(found, rate):
        typer.echo(note)


def _table(found: "Estimate", rate: float, terminal: bool) -> "Table":
    from rich import box
    from rich.table import Table

    from in2_plugin.cli.progress import duration

    currency = found.prices.currency if found.prices else ""
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False)
    table.add_column("questions")
    for column in ("number", "calls", "input tokens", "output tokens", "95% interval", currency or "money", "time"):
        table.add_column(column, justify="right", no_wrap=True)
    for line in found.lines:
        money = found.money(line)
        table.add_row(
            line.kind.replace("_", "-"), f"{line.questions:,}", f"{line.calls:,.0f}", _short(line.input_tokens),
            _short(line.output_tokens), f"± {line.spread:.0%}", "-" if money is None else f"{money:,.2f}",
            duration(line.calls / rate),
        )  # fmt: skip
    lines = found.lines
    costs = [cost for line in lines if (cost := found.money(line)) is not None]
    table.add_row(
        "all", f"{sum(line.questions for line in lines):,}", f"{sum(line.calls for line in lines):,.0f}",
        _short(sum(line.input_tokens for line in lines)), _short(sum(line.output_tokens for line in lines)), "",
        f"{sum(costs):,.2f}" if len(costs) == len(lines) else "-", duration(sum(line.calls for line in lines) / rate),
    )  # fmt: skip
    return table


def _notes(found: "Estimate", rate: float) -> list[str]:
    sampled = ", ".join(f"{line.sampled} {line.kind.replace('_', '-')}" for line in found.lines)
    notes = [f"time at {rate:g} calls a second (`--rate`); from {sampled} passages of the beginning of the corpus"]
    if found.measured:
        turned_down = sum(found.rejections.values())
        notes.append(
            f"measured with the endpoint; {turned_down} results were turned down and are paid for all the same"
        )
        notes += [f"  {count} x {reason}" for reason, count in found.rejections.most_common(3)]
    else:
        notes.append(
            "answers are assumed: 40 words each, none turned down; input is counted with the tokenizer of the model to "
            "be trained. Measure with `--calls 20`"
        )
    if found.prices is None:
        notes.append("no money without `questions.endpoint.prices: {input: ..., output: ...}`, for a million tokens")
    return notes


def _short(tokens: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:,.1f}{unit}"
    return f"{tokens:,.0f}"

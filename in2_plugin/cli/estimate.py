"""`in2 estimate`: calls, tokens, cost and time of a build, before the first call."""

from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin.cli.options import BuildFile
from in2_plugin.cli.tables import make_console, make_table

if TYPE_CHECKING:
    from rich.table import Table

    from in2_plugin.pipeline.estimate import Estimate


def estimate(
    build_file: BuildFile,
    calls: Annotated[
        int, typer.Option(min=0, help="Measure with about this many real calls per kind. The build reuses the answers.")
    ] = 0,
    rate: Annotated[float, typer.Option(min=0.001, help="Calls per second that the endpoint allows.")] = 10.0,
) -> None:
    """Estimate what the questions of a build will cost. Without `--calls`, no call is made."""
    from in2_plugin.config import load_build_config
    from in2_plugin.pipeline.estimate import estimate_build

    found = estimate_build(load_build_config(build_file), calls)
    make_console().print(_table(found, rate))
    for note in _notes(found, rate):
        typer.echo(note)


def _table(found: "Estimate", rate: float) -> "Table":
    from in2_plugin.cli.progress import duration

    currency = found.prices.currency if found.prices else ""
    columns = ("number", "calls", "input tokens", "output tokens", "95% interval", currency or "cost", "time")
    table = make_table("questions", columns)
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
    notes = [f"time at {rate:g} calls per second (`--rate`); based on {sampled} passages from the start of the corpus"]
    if found.measured:
        notes.append(f"measured with the endpoint; {sum(found.rejections.values())} results were rejected, also paid")
        notes += [f"  {count} x {reason}" for reason, count in found.rejections.most_common(3)]
    else:
        notes.append(
            "assumes answers of 40 words and no rejections; input is counted with the tokenizer of the model to train. "
            "Measure with `--calls 20`"
        )
    if found.prices is None:
        notes.append("no cost: set `questions.endpoint.prices: {input: ..., output: ...}`, per million tokens")
    return notes


def _short(tokens: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:,.1f}{unit}"
    return f"{tokens:,.0f}"

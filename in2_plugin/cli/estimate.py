"""`in2 estimate`: calls, tokens, cost and time of a build, before the first call."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from in2_plugin.cli.options import AsJson, BuildFile
from in2_plugin.cli.tables import make_console, make_table
from in2_plugin.cli.terminal import say

if TYPE_CHECKING:
    from rich.table import Table

    from in2_plugin.pipeline.estimate import Estimate


def estimate(
    build_file: BuildFile,
    calls: Annotated[
        int, typer.Option(min=0, help="Measure with about this many real calls per kind. The build reuses the answers.")
    ] = 0,
    rate: Annotated[float, typer.Option(min=0.001, help="Calls per second that the endpoint allows.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Estimate what the questions of a build will cost. Without `--calls`, no call is made."""
    from in2_plugin.config import load_build_config
    from in2_plugin.pipeline.estimate import estimate_build

    found = estimate_build(load_build_config(build_file), calls)
    if as_json:
        typer.echo(json.dumps(_as_json(found, rate), indent=2))
        return
    make_console().print(_table(found, rate))
    for note in _notes(found, rate):
        say(note)


def _as_json(found: "Estimate", rate: float) -> dict[str, Any]:
    kinds = [
        {
            "kind": line.kind, "questions": line.questions, "calls": line.calls, "input_tokens": line.input_tokens,
            "output_tokens": line.output_tokens, "spread": line.spread, "cost": found.money(line),
        }
        for line in found.lines
    ]  # fmt: skip
    return {
        "kinds": kinds, "calls": found.calls, "input_tokens": found.input_tokens, "output_tokens": found.output_tokens,
        "cost": found.total, "currency": found.prices.currency if found.prices else None,
        "seconds": found.calls / rate, "measured": found.measured, "rejections": dict(found.rejections),
    }  # fmt: skip


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
    table.add_row(
        "all", f"{sum(line.questions for line in found.lines):,}", f"{found.calls:,.0f}", _short(found.input_tokens),
        _short(found.output_tokens), "", "-" if found.total is None else f"{found.total:,.2f}",
        duration(found.calls / rate),
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
    if found.estimated:
        notes.append(
            "the endpoint reports no token counts (`usage`): tokens are estimated, one per 4 bytes of the texts"
        )
    if found.prices is None:
        notes.append("no cost: set `questions.endpoint.prices: {input: ..., output: ...}`, per million tokens")
    return notes


def _short(tokens: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:,.1f}{unit}"
    return f"{tokens:,.0f}"

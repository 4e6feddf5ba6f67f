"""`in2 probe judge`: let a language model judge the logged answers of position tasks, as a second pass."""

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from in2_plugin.cli.options import AsJson, Quiet
from in2_plugin.cli.tables import make_console, make_table
from in2_plugin.cli.terminal import say
from in2_plugin.errors import ConfigError, one_line

if TYPE_CHECKING:
    from rich.table import Table

    from in2_plugin.probing.judging.judge import Judged, JudgedLog
    from in2_plugin.probing.judging.session import JudgeConfig

SHOWN = 4
"""Disagreements that the terminal shows per task."""
LONGEST = 80
PARAMETERS = '{"temperature": 0, "max_tokens": 1024}'


def judge(
    results: Annotated[
        list[Path], typer.Argument(help="Result folders of lm_eval with logged samples, or such files.")
    ],
    model: Annotated[str, typer.Option(help="Name of the judge on its server.")],
    base_url: Annotated[
        list[str] | None, typer.Option(help="URL up to /v1; repeat for several servers. Default: OpenAI's.")
    ] = None,
    api_key_env: Annotated[
        str, typer.Option(help="Environment variable with the API key; empty for a server without one.")
    ] = "OPENAI_API_KEY",
    parameters: Annotated[str, typer.Option(metavar="JSON", help="Sampling parameters, sent unchanged.")] = PARAMETERS,
    prices: Annotated[
        str | None, typer.Option(metavar="IN,OUT", help="Prices per million tokens of input and of output.")
    ] = None,
    max_calls: Annotated[int | None, typer.Option(min=1, help="Most paid calls, over all runs on RESULTS.")] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0.0, help="Most money, in the unit of --prices, over all runs on RESULTS.")
    ] = None,
    concurrency: Annotated[str, typer.Option(metavar="N-M", help="Requests in flight.")] = "4-64",
    whole_prompts: Annotated[
        bool, typer.Option(help="Reject verdicts of a server whose token counts say that it has cut the prompt.")
    ] = True,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Judge logged answers with a language model. Writes judged_TASK_DATE.jsonl beside the samples."""
    from in2_plugin.cli.progress import make_progress

    config = _config(model, base_url, api_key_env, parameters, prices, max_calls, max_cost, concurrency, whole_prompts)
    progress = make_progress(sys.stderr if as_json else sys.stdout, quiet=quiet)
    from in2_plugin.probing.judging.judge import judge_answers

    # Slurm and containers stop a job with SIGTERM: stop as cleanly as for Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        found = judge_answers(results, config, progress)
    except KeyboardInterrupt:
        say("stopped; run the same command again to go on", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(_as_json(found, config), indent=2, ensure_ascii=False))
        return
    _print(found)


def _config(
    model: str,
    base_url: list[str] | None,
    api_key_env: str,
    parameters: str,
    prices: str | None,
    max_calls: int | None,
    max_cost: float | None,
    concurrency: str,
    whole_prompts: bool,
) -> "JudgeConfig":
    from in2_plugin.config import EndpointConfig
    from in2_plugin.probing.judging.session import JudgeConfig

    section: dict[str, Any] = {"model": model, "api_key_env": api_key_env or None, "concurrency": concurrency}
    if base_url:
        section["base_url"] = base_url
    try:
        section["parameters"] = json.loads(parameters)
    except ValueError as problem:
        raise ConfigError(f"--parameters: is not JSON ({problem}); write it like '{PARAMETERS}'") from None
    if prices is not None:
        first, _, second = prices.partition(",")
        section["prices"] = {"input": first.strip(), "output": second.strip()}
    return JudgeConfig(EndpointConfig.parse(section, "in2 probe judge"), max_calls, max_cost, whole_prompts)


def _print(found: "Judged") -> None:
    make_console().print(_table(found))
    for log in found.logs:
        for reason, count in log.without_verdict.items():
            say(f"{log.task}: {count:,} answers without a verdict, which do not count: {reason}")
        _print_disagreements(log)
    say(f"wrote {', '.join(str(log.path) for log in found.logs)}")


def _table(found: "Judged") -> "Table":
    table = make_table("task", ("answers", "contained, %", "judge, %", "agreement, %", "kappa"))
    for log in found.logs:
        both = log.agreement
        shares = (f"{100 * share:.1f}" for share in (both.contained, both.judged, both.agreement))
        table.add_row(log.task, f"{both.answers:,}", *shares, "-" if both.kappa is None else f"{both.kappa:.2f}")
    return table


def _print_disagreements(log: "JudgedLog") -> None:
    if not log.disagreements:
        return
    both = log.agreement
    say(
        f"{log.task}: {both.only_judge:,} answers are right for the judge alone, {both.only_contained:,} by contained "
        "texts alone, for example:"
    )
    # from both kinds, as far as there are some
    ordered = sorted(log.disagreements, key=lambda pair: pair[1].contained)
    half = SHOWN // 2
    for answer, row in (*ordered[:half], *ordered[max(half, len(ordered) - half) :]):
        says = "contained, judge: no" if row.contained else "not contained, judge: yes"
        gold = one_line(" / ".join(answer.gold), LONGEST)
        say(
            f"  question {row.question}, depth {row.depth}, {says}: {one_line(answer.query, LONGEST)} "
            f"gold: {gold}; answer: {one_line(answer.answer, LONGEST)}"
        )


def _as_json(found: "Judged", config: "JudgeConfig") -> dict[str, Any]:
    from dataclasses import asdict

    prices = config.endpoint.prices
    return {
        "judge": config.endpoint.model,
        "calls": found.paid.answers,
        "input_tokens": found.paid.input_tokens,
        "output_tokens": found.paid.output_tokens,
        "cost": found.cost if prices else None,
        "tasks": [
            {
                "task": log.task,
                "file": str(log.path),
                "logged": log.answers,
                **asdict(log.agreement),
                "without_verdict": dict(log.without_verdict),
                "disagreements": [
                    {**asdict(row), "query": answer.query, "gold": answer.gold, "answer": answer.answer}
                    for answer, row in log.disagreements
                ],
            }
            for log in found.logs
        ],
    }

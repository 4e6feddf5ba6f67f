"""`in2 teach`: store what a model answers from the gold segments alone, for distillation, and measure it."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin import layout
from in2_plugin.cli.options import AsJson, DatasetFolder, Quiet
from in2_plugin.cli.tables import make_console, make_table
from in2_plugin.cli.terminal import say
from in2_plugin.errors import ConfigError

if TYPE_CHECKING:
    from in2_plugin.reporting.teacher_report import TeacherReport


def teach(
    folder: DatasetFolder,
    model: Annotated[
        str | None, typer.Option(help="Folder or hub name of the teacher. Without it, only the gold rows are written.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the scores, for `distill.teacher` in training.")] = "initial",
    top_k: Annotated[int, typer.Option(min=1, help="Likeliest tokens to store at each answer token.")] = 16,
    compare: Annotated[
        int,
        typer.Option(min=0, help="Examples to answer from the whole context, too, to see if there is a difference."),
    ] = 0,
    dtype: Annotated[
        str | None, typer.Option(help="float32 or bfloat16; by default what is fastest on this machine.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Store what a teacher answers from the gold segments alone. Prints if there is something to distil.

    Writes gold_rows/ and teacher/NAME/ to the folder. Run it again after an interruption: it resumes.
    """
    from in2_plugin.cli.progress import make_progress
    from in2_plugin.teaching.run import make_gold_rows
    from in2_plugin.teaching.run import teach as score

    _require_possible(model, compare, dtype)
    progress = make_progress(sys.stderr, quiet=quiet)
    if model is None:
        rows = make_gold_rows(folder, progress=progress)
        if as_json:
            typer.echo(json.dumps({"examples": len(rows), "tokens": rows.n_tokens}))
        text = (
            f"{folder}: gold rows of {len(rows):,} examples, {rows.n_tokens:,} tokens; `teacher: current` can use them"
        )
        say(text, err=as_json)
        return
    taught = score(folder, model, name, top_k=top_k, compared=compare, dtype=dtype, progress=progress)
    from in2_plugin.io.atomic import write_json_atomic
    from in2_plugin.reporting.teacher_report import teacher_report

    report = teacher_report(taught.answers, taught.compared)
    figures = {"teacher": asdict(taught.store.facts), **report.as_json()}
    path = taught.store.folder / layout.TEACHER_REPORT
    if report.depths or not path.exists():  # a later run without --compare keeps what was compared
        write_json_atomic(path, figures)
    if as_json:
        typer.echo(json.dumps(figures, indent=2, sort_keys=True))
    else:
        _show(report)
    say(f"{taught.store.folder}: {report.verdict}", err=as_json)


def _require_possible(model: str | None, compare: int, dtype: str | None) -> None:
    if model is None and compare:
        raise ConfigError("--compare needs a teacher; add --model")
    if dtype not in (None, "float32", "bfloat16"):
        raise ConfigError(f"--dtype {dtype}: choose float32 or bfloat16")


def _show(report: "TeacherReport") -> None:
    table = make_table("part", ("questions", "exact from the gold alone"))
    for part, (questions, exact) in report.gold_exact.items():
        table.add_row(part, f"{questions:,}", f"{exact:.1%}")
    console = make_console()
    console.print(table)
    say(f"the stored tokens have {report.covered:.1%} of the probability")
    if report.depths:
        columns = ("questions", "exact: gold", "whole", "nats per token: gold", "whole", "KL")
        table = make_table("gold at", columns)
        for row in report.depths:
            nats = (f"{value:.3f}" for value in (row.gold_nats, row.whole_nats, row.kl))
            table.add_row(row.depth, f"{row.questions:,}", f"{row.gold_exact:.1%}", f"{row.whole_exact:.1%}", *nats)
        console.print(table)

"""`in2 teach`: store what a model answers from the gold segments alone, for distillation, or write these answers."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin import layout
from in2_plugin.cli.options import AsJson, DatasetFolder, Quiet
from in2_plugin.cli.tables import make_console, make_table
from in2_plugin.cli.terminal import say
from in2_plugin.errors import ConfigError

if TYPE_CHECKING:
    from in2_plugin.reporting.teacher_report import TeacherReport
    from in2_plugin.teaching.rows import GoldOnlyRows
    from in2_plugin.teaching.run import TaughtDataset
    from in2_plugin.teaching.writing.store import WritingReport


def teach(
    folder: DatasetFolder,
    model: Annotated[
        str | None, typer.Option(help="Folder or hub name of the teacher. Without it, only the gold rows are written.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the scores, for `distill.teacher` in training; by default `initial`.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Likeliest tokens to store at each answer token; by default 16.")
    ] = None,
    compare: Annotated[
        int,
        typer.Option(min=0, help="Examples to answer from the whole context, too, to see if there is a difference."),
    ] = 0,
    sample: Annotated[
        bool, typer.Option("--sample", help="Write answers instead of scores, into a new dataset (`--output`).")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the dataset with the written answers.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Most attempts at each answer; the first verified one is taken.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="0, the default, takes the likeliest token each time.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=2, help="Most tokens of a written answer; by default 128.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32 or bfloat16; by default what is fastest on this machine.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Store what a teacher answers from the gold segments alone. Prints if there is something to distil.

    Writes gold_rows/ and teacher/NAME/ to the folder. With --sample, writes a dataset with the teacher's own answers
    where they contain the stored one. Run it again after an interruption: it resumes.
    """
    from in2_plugin.cli.progress import make_progress

    writing = {"--samples": samples, "--temperature": temperature, "--max-new-tokens": max_new_tokens}
    scoring = {"--name": name, "--top-k": top_k, "--compare": compare or None}
    if sample:
        _refuse(scoring, "has no effect with --sample; remove it")
    else:
        _refuse({"--output": output, **writing}, "needs --sample")
    _require_possible(model, compare, dtype)
    progress = make_progress(sys.stderr, quiet=quiet)
    if sample:
        if model is None or output is None:
            raise ConfigError("--sample needs a teacher and a folder for the new dataset; add --model and --output")
        from in2_plugin.teaching.writing.decoding import MAX_NEW_TOKENS, AnswerDecoding
        from in2_plugin.teaching.writing.run import write_answers

        decoding = AnswerDecoding(max_new_tokens or MAX_NEW_TOKENS, samples or 1, temperature or 0.0)
        _end_sample(output, write_answers(folder, model, output, decoding, dtype=dtype, progress=progress), as_json)
    elif model is None:
        from in2_plugin.teaching.run import make_gold_rows

        _end_gold_rows(folder, make_gold_rows(folder, progress=progress), as_json)
    else:
        from in2_plugin.teaching.run import teach as score
        from in2_plugin.teaching.store import INITIAL, TOP_K

        name, top_k = name or INITIAL, top_k or TOP_K
        _end_teach(score(folder, model, name, top_k=top_k, compared=compare, dtype=dtype, progress=progress), as_json)


def _refuse(options: Mapping[str, object], why: str) -> None:
    """Raise if one of these options is given."""
    for option, value in options.items():
        if value is not None:
            raise ConfigError(f"{option} {value}: {why}")


def _require_possible(model: str | None, compare: int, dtype: str | None) -> None:
    if model is None and compare:
        raise ConfigError("--compare needs a teacher; add --model")
    if dtype not in (None, "float32", "bfloat16"):
        raise ConfigError(f"--dtype {dtype}: choose float32 or bfloat16")


def _end_gold_rows(folder: Path, rows: "GoldOnlyRows", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"examples": len(rows), "tokens": rows.n_tokens}))
    text = f"{folder}: gold rows of {len(rows):,} examples, {rows.n_tokens:,} tokens; `teacher: current` can use them"
    say(text, err=as_json)


def _end_sample(output: Path, report: "WritingReport", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2, sort_keys=True))
    else:
        _show_outcomes(report)
    say(f"{output}: {report.sentence()}", err=as_json)


def _show_outcomes(report: "WritingReport") -> None:
    table = make_table("answers of the teacher", ("questions", "of all"))
    for outcome, count in report.outcomes.items():
        table.add_row(outcome.replace("_", " "), f"{count:,}", f"{count / max(1, report.questions):.1%}")
    make_console().print(table)
    say(
        f"{report.same:,} verified answers say just what the stored one says; a question about a context has "
        f"{report.written_tokens / max(1, report.questions):.1f} answer tokens now, and had "
        f"{report.stored_tokens / max(1, report.questions):.1f}"
    )


def _end_teach(taught: "TaughtDataset", as_json: bool) -> None:
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

"""`in2 probe init|build`: a position probe from your own documents."""

import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.cli.groups import CommandGroup
from in2_plugin.cli.options import AsJson, Quiet
from in2_plugin.cli.probe_judge import judge
from in2_plugin.cli.terminal import say

probe = typer.Typer(
    cls=CommandGroup, help="Build a probe from your own documents, and judge its answers.", no_args_is_help=True
)
probe.command()(judge)
ProbeFile = Annotated[Path, typer.Argument(help="The probe file, for example probe.yml.")]


@probe.command()
def init(
    model: Annotated[str, typer.Option(help="Name or folder of the model to test.")],
    corpus: Annotated[
        list[str] | None, typer.Option(help="Source of documents; repeatable. Default: the bundled documentation.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Your own questions: JSONL, CSV or Parquet with question, answer, evidence.")
    ] = None,
    file: Annotated[Path, typer.Option(help="File to write.")] = Path("probe.yml"),
    output: Annotated[Path, typer.Option("--output", "-o", help="Probe folder that the file sets.")] = Path("my-probe"),
) -> None:
    """Write a commented probe file that builds as it is. Never overwrites a file."""
    from in2_plugin.config.corpus import BUNDLED_CORPUS
    from in2_plugin.probing.own_text.probe_file import write_probe_file

    plan = write_probe_file(file, corpus or [BUNDLED_CORPUS], model, output, questions)
    lengths = ", ".join(f"{length:,}" for length in plan.lengths)
    say(f"wrote {file}, with contexts of {lengths} tokens; next: in2 probe build {file}")


@probe.command()
def build(
    probe_file: ProbeFile,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Probe folder. Overrides `output`.")] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Replace the probe of another probe file. Keeps paid answers.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Build a probe, or resume an interrupted build. Says what a run of it costs and can show."""
    from in2_plugin.cli.progress import make_progress
    from in2_plugin.config.probe import load_probe_config

    config = load_probe_config(probe_file, {"output": str(output)} if output else None)
    # Slurm and containers stop a job with SIGTERM: stop as cleanly as for Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = make_progress(sys.stderr if as_json else sys.stdout, quiet=quiet)
    progress.say(f"building {config.output}")
    from in2_plugin.dataset.build_record import BuildFileChange
    from in2_plugin.probing.own_text import summary
    from in2_plugin.probing.own_text.build import build_own_probe

    change = BuildFileChange.RESTART if restart else BuildFileChange.REFUSE
    try:
        built = build_own_probe(config, progress, change)
    except KeyboardInterrupt:
        say("stopped; run the same command again to resume", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(summary.as_json(built), indent=2, ensure_ascii=False))
        return
    for line in summary.summary_lines(built):
        say(line)

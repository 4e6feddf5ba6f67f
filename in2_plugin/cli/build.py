"""`in2 build` and `in2 merge`: build a dataset on this machine, on a Ray cluster, or as a job array."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin.cli.options import BuildFile, EngineName, EngineOption, Quiet, RayAddress, open_engine
from in2_plugin.cli.terminal import say
from in2_plugin.errors import ArrayJobDone, ConfigError, ShardsMissing

if TYPE_CHECKING:
    from in2_plugin.config import BuildConfig
    from in2_plugin.dataset.build_record import BuildFileChange
    from in2_plugin.pipeline.array_job import ArrayJob

UNMERGED = 3
"""Exit status of `in2 merge` when jobs have to run first."""

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Dataset folder. Overrides `output`.")]
Tokenizer = Annotated[str | None, typer.Option(help="Tokenizer. Overrides `tokenizer`.")]
Corpus = Annotated[list[str] | None, typer.Option(help="Source of text; repeatable. Overrides `corpus.sources`.")]


def build(
    build_file: BuildFile,
    output: Output = None,
    tokenizer: Tokenizer = None,
    corpus: Corpus = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Allow a changed mixture, lengths or checks. Keeps all answers.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Replace the dataset of another build file. Keeps paid answers.")
    ] = False,
    engine: EngineOption = EngineName.LOCAL,
    address: RayAddress = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Run as job I of N on a shared folder; then run `in2 merge`."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Build a dataset, or resume an interrupted build."""
    from in2_plugin.dataset.build_record import BuildFileChange
    from in2_plugin.pipeline.array_job import WHOLE_BUILD, ArrayJob

    config = _config(build_file, output, tokenizer, corpus, address)
    if extend and restart:
        raise ConfigError("`--extend` and `--restart` exclude each other; give one of them")
    if shard and (engine is EngineName.RAY or extend or restart):
        raise ConfigError(
            "`--shard` cannot be combined with `--engine ray`, `--extend` or `--restart`; to extend or restart, run "
            "`in2 merge` with that option before the jobs"
        )
    array_job = ArrayJob.parse(shard) if shard else WHOLE_BUILD
    change = BuildFileChange.EXTEND if extend else BuildFileChange.RESTART if restart else BuildFileChange.REFUSE
    try:
        _build(config, engine, change, array_job, quiet)
    except ArrayJobDone as done:
        say(str(done))


def merge(
    build_file: BuildFile,
    output: Output = None,
    tokenizer: Tokenizer = None,
    corpus: Corpus = None,
    extend: Annotated[bool, typer.Option("--extend", help="As in `in2 build`.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="As in `in2 build`.")] = False,
    quiet: Quiet = False,
) -> None:
    """Merge the shards that array jobs have made. Continues up to the next stage that needs jobs.

    Exit status 0: the dataset is complete. 3: run the jobs, then `in2 merge` again.
    """
    from in2_plugin.dataset.build_record import BuildFileChange
    from in2_plugin.pipeline.array_job import ArrayJob

    if extend and restart:
        raise ConfigError("`--extend` and `--restart` exclude each other; give one of them")
    change = BuildFileChange.EXTEND if extend else BuildFileChange.RESTART if restart else BuildFileChange.REFUSE
    try:
        config = _config(build_file, output, tokenizer, corpus, None)
        _build(config, EngineName.LOCAL, change, ArrayJob(number=0), quiet)
    except ShardsMissing as missing:
        say(str(missing))
        raise typer.Exit(UNMERGED) from None


def _config(
    build_file: Path, output: Path | None, tokenizer: str | None, corpus: list[str] | None, address: str | None
) -> "BuildConfig":
    from in2_plugin.config import load_build_config

    overrides = {
        "output": str(output) if output else None,
        "tokenizer": tokenizer,
        "corpus.sources": list(corpus) if corpus else None,
        "ray.address": address,
    }
    return load_build_config(build_file, {key: value for key, value in overrides.items() if value is not None})


def _build(
    config: "BuildConfig", engine: EngineName, change: "BuildFileChange", array_job: "ArrayJob", quiet: bool
) -> None:
    from in2_plugin.cli.progress import make_progress

    # Slurm and containers stop a job with SIGTERM: stop as cleanly as for Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = make_progress(sys.stdout, quiet=quiet)
    progress.say(f"building {config.output}")
    # these imports take half a second, so the first line comes before them
    from in2_plugin.dataset.build_record import make_folder
    from in2_plugin.pipeline.build import build_dataset

    try:
        make_folder(config.output)
        with open_engine(engine, config.ray, config.output, config.workers, progress.say) as opened:
            manifest = build_dataset(config, progress, change, engine=opened, array_job=array_job)
    except KeyboardInterrupt:
        say("stopped; run the same command again to resume", err=True)
        raise typer.Exit(130) from None
    say(
        f"{config.output}: {manifest.examples:,} examples, {manifest.counts['tokens']:,} tokens, "
        f"the longest {manifest.longest:,}; train with at least that `sequence_len`"
    )

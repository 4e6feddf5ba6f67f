"""`in2 build` and `in2 merge`: from a build file to a dataset folder, by one process, a Ray cluster or many jobs."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin.cli.engines import Address, EngineName, EngineOption, open_engine
from in2_plugin.errors import ConfigError, PartsMissing, ShareDone

if TYPE_CHECKING:
    from in2_plugin.config import BuildConfig
    from in2_plugin.dataset.build_record import Change
    from in2_plugin.pipeline.array_job import Portion

UNMERGED = 3
"""Exit status of `in2 merge` when jobs have to be run first."""


BuildFile = Annotated[Path, typer.Argument(help="The build file, for example build.yml.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of the file's `output`.")]
Tokenizer = Annotated[str | None, typer.Option(help="Use this tokenizer instead of the file's.")]
Corpus = Annotated[list[str] | None, typer.Option(help="Read this instead of the file's sources; may be repeated.")]


def build(
    build_file: BuildFile,
    output: Output = None,
    tokenizer: Tokenizer = None,
    corpus: Corpus = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Accept another mixture, other lengths or checks; keeps all answers.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Replace a dataset of another build file; keeps answers paid for.")
    ] = False,
    engine: EngineOption = EngineName.LOCAL,
    address: Address = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Be job I of N on one shared folder; `in2 merge` puts together what they did."
        ),
    ] = None,
) -> None:
    """Build a dataset. An interrupted build goes on where it stopped."""
    from in2_plugin.dataset.build_record import Change
    from in2_plugin.pipeline.array_job import WHOLE, Portion

    config = _config(build_file, output, tokenizer, corpus, address)
    if extend and restart:
        raise ConfigError("`--extend` keeps what `--restart` makes again; give one of the two")
    if shard and (engine is EngineName.RAY or extend or restart):
        raise ConfigError(
            "`--shard` is for jobs that know nothing of each other: leave `--engine ray` out, and give `--extend` or "
            "`--restart` to `in2 merge` before the jobs"
        )
    portion = Portion.parse(shard) if shard else WHOLE
    change = Change.EXTEND if extend else Change.RESTART if restart else Change.REFUSE
    try:
        _build(config, engine, change, portion)
    except ShareDone as done:
        typer.echo(str(done))


def merge(
    build_file: BuildFile,
    output: Output = None,
    tokenizer: Tokenizer = None,
    corpus: Corpus = None,
    extend: Annotated[bool, typer.Option("--extend", help="As with `in2 build`.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="As with `in2 build`.")] = False,
) -> None:
    """Put together what the jobs of `in2 build --shard I/N` made, and go on to where they are needed again.

    Exit status 0: the dataset is complete. 3: run the jobs, and then this again.
    """
    from in2_plugin.dataset.build_record import Change
    from in2_plugin.pipeline.array_job import Portion

    if extend and restart:
        raise ConfigError("`--extend` keeps what `--restart` makes again; give one of the two")
    change = Change.EXTEND if extend else Change.RESTART if restart else Change.REFUSE
    try:
        config = _config(build_file, output, tokenizer, corpus, None)
        _build(config, EngineName.LOCAL, change, Portion(number=0))
    except PartsMissing as missing:
        typer.echo(str(missing))
        raise typer.Exit(UNMERGED) from None


def _config(
    build_file: Path, output: Path | None, tokenizer: str | None, corpus: list[str] | None, address: str | None
) -> "BuildConfig":
    from in2_plugin.config import load_build_file

    overrides = {
        "output": str(output) if output else None,
        "tokenizer": tokenizer,
        "corpus.sources": list(corpus) if corpus else None,
        "ray.address": address,
    }
    return load_build_file(build_file, {key: value for key, value in overrides.items() if value is not None})


def _build(config: "BuildConfig", engine: EngineName, change: "Change", portion: "Portion") -> None:
    from in2_plugin.cli.progress import make_progress
    from in2_plugin.dataset.build_record import make_folder
    from in2_plugin.pipeline.build import build_dataset

    # Slurm and containers stop a job with SIGTERM: the same clean stop as Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = make_progress(sys.stdout)
    try:
        make_folder(config.output)
        with open_engine(engine, config.ray, config.output, config.workers, progress.say) as opened:
            manifest = build_dataset(config, progress, change, engine=opened, portion=portion)
    except KeyboardInterrupt:
        typer.echo("stopped; run the same command again to go on", err=True)
        raise typer.Exit(130) from None
    typer.echo(
        f"{config.output}: {manifest.examples:,} examples, {manifest.counts['tokens']:,} tokens, "
        f"the longest {manifest.longest:,}; train with `sequence_len` of at least that"
    )

"""`in2 build`: from a build file to a dataset folder."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.errors import ConfigError


def build(
    build_file: Annotated[Path, typer.Argument(help="The build file, for example build.yml.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here instead of the file's `output`.")
    ] = None,
    tokenizer: Annotated[str | None, typer.Option(help="Use this tokenizer instead of the file's.")] = None,
    corpus: Annotated[
        list[str] | None, typer.Option(help="Read this instead of the file's sources; may be repeated.")
    ] = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Accept another mixture, other lengths or checks; keeps all answers.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Replace a dataset of another build file; keeps answers paid for.")
    ] = False,
) -> None:
    """Build a dataset. An interrupted build goes on where it stopped."""
    from in2_plugin.building import build_dataset
    from in2_plugin.claiming import Change
    from in2_plugin.cli.progress import make_progress
    from in2_plugin.config import load_build_file

    overrides = {
        "output": str(output) if output else None,
        "tokenizer": tokenizer,
        "corpus.sources": list(corpus) if corpus else None,
    }
    config = load_build_file(build_file, {key: value for key, value in overrides.items() if value is not None})
    if extend and restart:
        raise ConfigError("`--extend` keeps what `--restart` makes again; give one of the two")
    change = Change.EXTEND if extend else Change.RESTART if restart else Change.REFUSE
    # Slurm and containers stop a job with SIGTERM: the same clean stop as Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        manifest = build_dataset(config, make_progress(sys.stdout), change)
    except KeyboardInterrupt:
        typer.echo("stopped; run the same command again to go on", err=True)
        raise typer.Exit(130) from None
    typer.echo(
        f"{config.output}: {manifest.examples:,} examples, {manifest.counts['tokens']:,} tokens, "
        f"the longest {manifest.longest:,}; train with `sequence_len` of at least that"
    )

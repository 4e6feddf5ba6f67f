"""`in2 export`: write a dataset as plain Parquet for trainers without this package."""

import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin.cli.options import DatasetFolder, EngineName, EngineOption, Quiet, RayAddress, open_engine
from in2_plugin.cli.terminal import say

if TYPE_CHECKING:
    from in2_plugin.sharing.export import Export


class ExportFormat(StrEnum):
    """The values of `sharing.formats.Format`, which takes a second to import."""

    MESSAGES = "messages"
    PROMPT_COMPLETION = "prompt-completion"
    TOKENIZED = "tokenized"
    AXOLOTL = "axolotl"
    GRPO = "grpo"


UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9}


def _bytes(text: str) -> int:
    """Parse a size like `500MB`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(KB|MB|GB)\s*", text.upper())
    if not found or not (size := int(float(found[1]) * UNITS[found[2]])):
        raise typer.BadParameter(f"give a size like 500MB or 2GB, not `{text}`")
    return size


def export(
    folder: DatasetFolder,
    to: Annotated[ExportFormat, typer.Option("--to", help="Format to write; docs/sharing.md compares them.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder to write. Default: FOLDER-FORMAT."),
    ] = None,
    shard_size: Annotated[
        str, typer.Option(help="Maximum size of a Parquet file before compression, for example 500MB.")
    ] = "500MB",
    number_segments: Annotated[
        bool, typer.Option("--number-segments", help="With `--to grpo`: number segments, and ask for their numbers.")
    ] = False,
    max_prompt_tokens: Annotated[
        int | None, typer.Option(min=1, help="With `--to grpo`: leave out longer prompts.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Tokenizer folder or hub name, if the one in the build file has moved.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes. Default: one per core.")] = None,
    engine: EngineOption = EngineName.LOCAL,
    address: RayAddress = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write a dataset as Parquet for TRL, Axolotl or others. `datasets.load_dataset` reads the result."""
    shard_bytes = _bytes(shard_size)
    from in2_plugin.cli.progress import make_progress
    from in2_plugin.config import RayConfig
    from in2_plugin.dataset.reader import read_manifest
    from in2_plugin.sharing.export import export_dataset
    from in2_plugin.sharing.formats import Format

    manifest, progress = read_manifest(folder), make_progress(sys.stdout, quiet=quiet)
    cluster = RayConfig.model_validate({**manifest.build.get("ray", {}), **({"address": address} if address else {})})
    with (
        open_engine(engine, cluster, folder, workers, progress.say) as opened,
        progress.stage("exporting", manifest.examples) as step,
    ):
        done = export_dataset(
            folder,
            Format(to),
            output,
            tokenizer=tokenizer,
            number_segments=number_segments,
            max_prompt_tokens=max_prompt_tokens,
            shard_bytes=shard_bytes,
            workers=workers or len(os.sched_getaffinity(0)),
            engine=opened,
            overwrite=overwrite,
            on_examples=step,
        )
    _print(done)


def _print(done: "Export") -> None:
    for note in done.notes:
        say(f"note: {note}")
    files = "1 file" if len(done.shards) == 1 else f"{len(done.shards)} files"
    say(f"{done.folder}: {done.rows:,} rows in {files}; its README.md explains how to train on them")

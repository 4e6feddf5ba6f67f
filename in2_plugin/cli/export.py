"""`in2 export`: a dataset written out for trainers without this package."""

import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin.cli.engines import Address, EngineName, EngineOption, open_engine

if TYPE_CHECKING:
    from in2_plugin.sharing.export import Export


class To(StrEnum):
    """The names of `sharing.formats.Format`, whose import takes a second."""

    MESSAGES = "messages"
    PROMPT_COMPLETION = "prompt-completion"
    TOKENIZED = "tokenized"
    AXOLOTL = "axolotl"


UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9}


def _bytes(text: str) -> int:
    """A size like `500MB`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(KB|MB|GB)\s*", text.upper())
    if not found or not (size := int(float(found[1]) * UNITS[found[2]])):
        raise typer.BadParameter(f"give a size like 500MB or 2GB, not `{text}`")
    return size


def export(
    folder: Annotated[Path, typer.Argument(help="A dataset folder: the `output` of a build file.")],
    to: Annotated[
        To,
        typer.Option("--to", help="What to write; docs/sharing.md compares them."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder to write; by default FOLDER with the format in its name."),
    ] = None,
    shard_size: Annotated[
        str, typer.Option(help="Size of a Parquet file in memory, for example 500MB; on disk it is smaller.")
    ] = "500MB",
    tokenizer: Annotated[
        str | None, typer.Option(help="Where the tokenizer of the build file is now, if it was moved.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; as many as there are cores when absent.")
    ] = None,
    engine: EngineOption = EngineName.LOCAL,
    address: Address = None,
) -> None:
    """Write a dataset out for TRL, Axolotl or another trainer, as Parquet that `datasets.load_dataset` reads."""
    shard_bytes = _bytes(shard_size)
    from in2_plugin.cli.progress import make_progress
    from in2_plugin.config import RayConfig
    from in2_plugin.dataset.reader import read_manifest
    from in2_plugin.sharing.export import export_dataset
    from in2_plugin.sharing.formats import Format

    manifest, progress = read_manifest(folder), make_progress(sys.stdout)
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
            shard_bytes=shard_bytes,
            workers=workers or len(os.sched_getaffinity(0)),
            engine=opened,
            on_examples=step,
        )
    _tell(done)


def _tell(done: "Export") -> None:
    for note in done.notes:
        typer.echo(f"note: {note}")
    files = "1 file" if len(done.shards) == 1 else f"{len(done.shards)} files"
    typer.echo(f"{done.folder}: {done.rows:,} rows in {files}; README.md there says how to train on them")

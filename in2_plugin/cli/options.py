"""Arguments and options that several commands share, and the Ray engine that two of them open."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from in2_plugin.config import RayConfig
    from in2_plugin.execution.engine import Engine


class EngineName(StrEnum):
    """The engines that can run the shards of a stage."""

    LOCAL = "local"
    RAY = "ray"


BuildFile = Annotated[Path, typer.Argument(help="The build file, for example build.yml.")]
DatasetFolder = Annotated[Path, typer.Argument(help="A dataset folder: the `output` of a build file.")]
EngineOption = Annotated[EngineName, typer.Option(help="Run on this machine or on a Ray cluster.")]
RayAddress = Annotated[str | None, typer.Option(help="Address of the Ray cluster. Overrides `ray.address`.")]
GpuName = Annotated[str | None, typer.Option(help="GPU type: A100-80G, H100-80G, H200, L40S, RTX-4090, ..., or CPU.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress, only the result.")]


def open_engine(
    name: EngineName, config: "RayConfig", folder: Path, workers: int | None, say: Callable[[str], None]
) -> "AbstractContextManager[Engine | None]":
    """Return a context manager that connects to an engine for a dataset folder; it gives None for the local engine.

    Raises:
        MissingExtra: Ray is not installed.
    """
    if name is EngineName.LOCAL:
        return nullcontext()
    from in2_plugin.execution.ray.engine import RayEngine

    return RayEngine(config, folder, workers, say)

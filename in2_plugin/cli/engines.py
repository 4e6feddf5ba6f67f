"""The options of commands that can work on a Ray cluster."""

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
    """Who works."""

    LOCAL = "local"
    RAY = "ray"


EngineOption = Annotated[EngineName, typer.Option(help="Processes of this machine, or a Ray cluster.")]
Address = Annotated[str | None, typer.Option(help="Address of the Ray cluster instead of the file's `ray.address`.")]


def open_engine(
    name: EngineName, config: "RayConfig", folder: Path, workers: int | None, say: Callable[[str], None]
) -> "AbstractContextManager[Engine | None]":
    """The engine of this name for a dataset folder, to be connected by `with`; None for the local one.

    Raises:
        MissingExtra: Ray is not installed.
    """
    if name is EngineName.LOCAL:
        return nullcontext()
    from in2_plugin.execution.ray.engine import RayEngine

    return RayEngine(config, folder, workers, say)

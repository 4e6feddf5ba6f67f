"""What every stage is given: the build file, who works, which shards are its own, and how to tell how it gets on."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from in2_plugin.config import BuildConfig
from in2_plugin.execution.engine import Engine
from in2_plugin.pipeline.array_job import WHOLE, Portion


class Progress(Protocol):
    """How a build tells what it is doing; the command line shows bars or plain lines."""

    def stage(
        self, name: str, total: int | None, detail: Callable[[], str] | None = None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Announce a stage; the context gives a function that takes steps done since it was last called.

        `detail` gives a line about how the stage is getting on, whenever it is asked.
        """

    def say(self, line: str) -> None:
        """Show one line of result."""


class NoProgress:
    """Show nothing: the default of `build_dataset`."""

    def stage(
        self, name: str, total: int | None, detail: Callable[[], str] | None = None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Return a context whose function ignores its steps."""
        return nullcontext(lambda _: None)

    def say(self, line: str) -> None:
        """Drop the line."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a build."""

    config: BuildConfig
    progress: Progress
    engine: Engine
    portion: Portion = WHOLE

    @property
    def folder(self) -> Path:
        """The dataset folder."""
        return self.config.output


def generator(config: BuildConfig, stage: str) -> np.random.Generator:
    """A generator of its own for each stage, so that a stage's draws do not depend on the one before."""
    return np.random.default_rng([config.seed, *stage.encode()])


def workers(config: BuildConfig) -> int:
    """Processes to work with: as many as the build file says, or as there are cores for this process."""
    return config.workers or len(os.sched_getaffinity(0))

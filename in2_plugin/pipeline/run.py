"""Define the context of a build that every stage receives: build file, progress, engine and array job."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from in2_plugin.config import BuildConfig
from in2_plugin.execution.engine import Engine
from in2_plugin.pipeline.array_job import WHOLE_BUILD, ArrayJob


class Progress(Protocol):
    """Display of a build's progress; the command line shows bars or plain lines."""

    def stage(
        self, name: str, total: int | None, detail: Callable[[], str] | None = None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Show a stage; the context yields a function that takes the number of steps since its last call.

        `detail` returns one line about the current state of the stage; it may be called at any time.
        """

    def say(self, line: str) -> None:
        """Show one line of output."""


def say_on_stderr(line: str) -> None:
    """Show one line without a progress display; stdout is for results."""
    print(line, file=sys.stderr, flush=True)


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
    array_job: ArrayJob = WHOLE_BUILD

    @property
    def folder(self) -> Path:
        """The dataset folder."""
        return self.config.output


def stage_rng(seed: int, stage: str) -> np.random.Generator:
    """Return the random generator of a stage; its draws do not depend on other stages."""
    return np.random.default_rng([seed, *stage.encode()])


def worker_count(workers: int | None) -> int:
    """Return `workers` of the build file, or the number of cores that this process may use."""
    return workers or len(os.sched_getaffinity(0))

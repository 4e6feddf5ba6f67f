"""What every stage has: a way to tell how it gets on, and a generator of its own."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from in2_plugin.config import BuildConfig


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


def generator(config: BuildConfig, stage: str) -> np.random.Generator:
    """A generator of its own for each stage, so that a stage's draws do not depend on the one before."""
    return np.random.default_rng([config.seed, *stage.encode()])


def workers(config: BuildConfig) -> int:
    """Processes to work with: as many as the build file says, or as there are cores for this process."""
    return config.workers or len(os.sched_getaffinity(0))

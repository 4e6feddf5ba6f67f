"""How a stage shows what it is doing: a moving bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from in2_plugin.building import Progress

PLAIN_INTERVAL = 10.0
"""Seconds between lines of a stage when the output is not a terminal."""


class TerminalProgress:
    """Bars by rich."""

    def say(self, line: str) -> None:
        print(line, flush=True)

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with RichProgress(*columns) as bars:
            task = bars.add_task(name, total=total)
            yield lambda steps: bars.advance(task, steps)


class PlainProgress:
    """Lines: one when a stage begins, one every ten seconds, one when it is done."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def say(self, line: str) -> None:
        print(line, file=self._out, flush=True)

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
        done, started, shown = 0, time.monotonic(), time.monotonic()

        def step(steps: int) -> None:
            nonlocal done, shown
            done += steps
            if time.monotonic() - shown >= PLAIN_INTERVAL:
                shown = time.monotonic()
                self.say(f"{name}: {done:,}" + (f" of {total:,}" if total is not None else ""))

        self.say(f"{name} ...")
        yield step
        self.say(f"{name}: {done:,} in {time.monotonic() - started:.1f} s")


def make_progress(out: TextIO) -> Progress:
    """Bars if `out` is a terminal, plain lines otherwise."""
    return TerminalProgress() if out.isatty() else PlainProgress(out)

"""Progress of a build: a bar on a terminal, plain lines at intervals elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from in2_plugin.cli.terminal import wrapped
from in2_plugin.pipeline.run import NoProgress, Progress

PLAIN_INTERVAL = 10.0
"""Seconds between lines of a stage when the output is not a terminal."""


class TerminalProgress:
    """Show a progress bar with a line of detail below it."""

    def say(self, line: str) -> None:
        print(wrapped(line, sys.stdout), flush=True)

    @contextmanager
    def stage(
        self, name: str, total: int | None, detail: Callable[[], str] | None = None
    ) -> Iterator[Callable[[int], None]]:
        from rich.console import RenderableType
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class Bars(RichProgress):
            def get_renderables(self) -> Iterator[RenderableType]:
                yield from super().get_renderables()
                if detail and (line := detail()):
                    yield Text(f"  {line}", style="dim")

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        left = (TextColumn("left"), TimeRemainingColumn(compact=True)) if total else ()
        with Bars(*columns, *left, refresh_per_second=4) as bars:
            task = bars.add_task(name, total=total)
            yield lambda steps: bars.advance(task, steps)


class PlainProgress:
    """Print a line when a stage begins, every ten seconds even without progress, and when it ends."""

    def __init__(self, out: TextIO, interval: float = PLAIN_INTERVAL) -> None:
        self._out, self._interval = out, interval

    def say(self, line: str) -> None:
        print(line, file=self._out, flush=True)

    @contextmanager
    def stage(
        self, name: str, total: int | None, detail: Callable[[], str] | None = None
    ) -> Iterator[Callable[[int], None]]:
        done, started, over = 0, time.monotonic(), threading.Event()

        def step(steps: int) -> None:
            nonlocal done
            done += steps

        def detail_text() -> str:
            return f" ({line})" if detail and (line := detail()) else ""

        def print_at_intervals() -> None:
            before = 0
            while not over.wait(self._interval):
                of = f" of {total:,}" if total is not None else ""
                rate, before = (done - before) / self._interval, done
                left = f", about {duration((total - done) / rate)} left" if total and rate else ""
                self.say(f"{name}: {done:,}{of}{left}{detail_text()}")

        self.say(f"{name} ...")
        clock = threading.Thread(target=print_at_intervals, daemon=True)
        clock.start()
        try:
            yield step
        finally:
            over.set()
            clock.join()
        self.say(f"{name}: {done:,} in {time.monotonic() - started:.1f} s{detail_text()}")


def duration(seconds: float) -> str:
    """Format a duration: 89 s, 10 min, 2.5 h, 3.0 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:,.1f} h" if seconds < 172_800 else f"{seconds / 86_400:,.1f} days"


def make_progress(out: TextIO, *, quiet: bool = False) -> Progress:
    """Return bars if `out` is a terminal, plain lines otherwise, and nothing if `quiet`."""
    if quiet:
        return NoProgress()
    return TerminalProgress() if out.isatty() else PlainProgress(out)

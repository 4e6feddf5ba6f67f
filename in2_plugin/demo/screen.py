"""Print a demo on 80 columns: two lines a stage, with the expected and the measured time, and a moving line between.

On a terminal the moving line shows how far a stage is; elsewhere a training stage prints a line at each fifth.
"""

import textwrap
import time
from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from in2_plugin.demo.training_log import LogFollower, curve

WIDTH = 80
INDENT = 16
"""Columns of the stage's number and name."""
TIME = 13
"""Columns of the time at the right."""
FIFTHS = 5


class DemoScreen:
    """The output of one demo."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, width=WIDTH, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._fifth = 0

    def say(self, text: str, indent: int = 0) -> None:
        """Print a sentence, wrapped at words; long paths stay whole."""
        space = " " * indent
        wrapped = textwrap.fill(text, WIDTH, initial_indent=space, subsequent_indent=space, break_long_words=False,
                                break_on_hyphens=False)  # fmt: skip
        self._console.print(Text(wrapped))

    def begin(self, number: str, name: str, does: str, expected: str) -> None:
        """Announce a stage."""
        self._row(f"{number:4} {name:11}", does, expected, "bold")
        self._fifth = 0
        if self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, refresh_per_second=2)
            self._live.start()

    def finish(self, summary: str, took: str) -> None:
        """State what a stage has made, and how long it took."""
        self.stop()
        self._row("", summary, took)

    def stop(self) -> None:
        """Remove the moving line."""
        if self._live:
            self._live.stop()
            self._live = None

    def update(self, log: LogFollower, started: float) -> None:
        """Show how far a stage is; `started` is a time of `time.monotonic`."""
        with suppress(OSError):  # a full terminal buffer is no reason to stop
            if self._live:
                self._live.update(Text(" " * INDENT + progress(log, time.monotonic() - started), style="dim"))
            elif log.losses and (fifth := int(FIFTHS * log.share)) > self._fifth and fifth < FIFTHS:
                self._fifth = fifth
                self._row("", progress(log, time.monotonic() - started), "")

    def _row(self, head: str, text: str, time_text: str, style: str = "") -> None:
        room = WIDTH - INDENT - (TIME if time_text else 0)
        lines = textwrap.wrap(text, room, break_long_words=False) or [""]
        lines[-1] = f"{lines[-1]:{room}}{time_text:>{TIME}}" if time_text else lines[-1]
        for at, line in enumerate(lines):
            start = f"{head if at == 0 else '':{INDENT}}"
            self._console.print(Text.assemble((start, style), line))


def progress(log: LogFollower, seconds: float) -> str:
    """Return how far a stage is: loss, curve, steps and the time left, as far as they are known."""
    parts = [f"loss {log.losses[-1]:.2f} {curve(log.losses)}"] if log.losses else []
    if log.total:
        parts.append(f"{log.done:,} of {log.total:,}")
        parts.append(f"{log.left} left")
    return ", ".join(parts) or f"{seconds:.0f} s"


def about(seconds: float | None) -> str:
    """Return an expected time: `about 4 min`; empty if it is not known."""
    return f"about {clock(seconds)}" if seconds else ""


def clock(seconds: float) -> str:
    """Return a duration as `35 s`, `4 min` or `1 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"

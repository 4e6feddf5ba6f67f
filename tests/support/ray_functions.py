"""Shard functions that die or fail, in a module that the workers of a cluster can import."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from in2_plugin.errors import CorpusError


class Dying:
    """Yields two chunks per item; at item 2 it kills its process between them, the first `times` times."""

    def __init__(self, record: Path, times: int) -> None:
        self._record, self._times = record, times

    def __call__(self, item: int) -> Iterator[bytes]:
        yield f"{item} starts, ".encode()
        if item == 2 and len(list(self._record.iterdir())) < self._times:
            (self._record / str(time.time_ns())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield f"{item} ends".encode()


def failing(item: int) -> Iterator[bytes]:
    """Yield nothing for item 0, raise an error for item 1, else yield chunks."""
    if item == 1:
        raise CorpusError("news.jsonl:17: is not JSON; fix the line")
    yield from [b"chunk"] * item


def square(item: int) -> int:
    return item * item


def read(path: Path) -> str:
    return path.read_text()

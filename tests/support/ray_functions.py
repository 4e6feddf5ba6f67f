"""Functions of shards that die or fail: in a module of their own, which the workers of a cluster import."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from in2_plugin.errors import CorpusError


class Dying:
    """Gives two blobs an item, and kills its process between them at item 2, the first `times` times."""

    def __init__(self, record: Path, times: int) -> None:
        self._record, self._times = record, times

    def __call__(self, item: int) -> Iterator[bytes]:
        yield f"{item} begins, ".encode()
        if item == 2 and len(list(self._record.iterdir())) < self._times:
            (self._record / str(time.time_ns())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield f"{item} ends".encode()


def failing(item: int) -> Iterator[bytes]:
    """Gives nothing, a blob, or an error."""
    if item == 1:
        raise CorpusError("news.jsonl:17: is not JSON; mend the line")
    yield from [b"blob"] * item


def square(item: int) -> int:
    return item * item


def read(path: Path) -> str:
    return path.read_text()

"""What a Ray actor does with the shards that it is given. Imported on every node, so in2-plugin is installed there.

Invariant: an error that a user can mend travels back as itself; any other one is left to Ray, with its traceback.
"""

import os
import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError, In2Error, WorkerDied
from in2_plugin.execution.ray.object_store import Published, fetched
from in2_plugin.execution.ray.relocatable_pickle import loads

BLOB, END, ERROR = "blob", "end", "error"
TOKEN = "parts/token"
"""A file with random content: a node that reads the same in it sees the driver's folder."""
TRIES = 5
"""Workers to which a shard is given, when they are killed: Ray itself goes on for ever."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What every worker of a stage is told."""

    function: bytes
    """Pickled by `travelling.dumps`."""
    folder: Path
    """The dataset folder, as the driver sees it."""
    token: str
    published: Published | None
    """Where sealed files can be fetched from."""
    gives_blobs: bool
    """The function gives its output piece by piece; otherwise one result, which is pickled."""
    starts: Any
    """A handle to an actor of `Starts`."""


class Starts:
    """How often each shard of a stage was begun. An actor beside the driver, so that no lost worker takes it along."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def begin(self, number: int) -> int:
        """Count one more beginning of shard `number`; all of them so far."""
        self._counts[number] += 1
        return self._counts[number]


class Worker:
    """Turns rows `{number, item}` into rows `{number, kind, blob}`, the last one of an item being its END."""

    def __init__(self, errand: Any) -> None:
        """`errand`: a reference to an `Errand` in Ray's object store."""
        self._errand = errand
        self._function: Any = None
        self._folder: Path | None = None

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        number = row["number"]
        try:
            for blob in self._blobs(number, row["item"]):
                yield {"number": number, "kind": BLOB, "blob": blob}
        except In2Error as error:
            yield {"number": number, "kind": ERROR, "blob": pickle.dumps(error)}
        else:
            yield {"number": number, "kind": END, "blob": b""}

    def _blobs(self, number: int, item: bytes) -> Iterator[bytes]:
        import ray

        errand = self._prepared()
        assert self._folder
        given = loads(item, self._folder)
        if ray.get(errand.starts.begin.remote(number)) > TRIES:
            raise WorkerDied(
                f"a shard was given up after {TRIES} workers that were killed at it; see to the memory of the nodes, "
                "and run again (what was finished is kept)"
            )
        if errand.gives_blobs:
            yield from self._function(given)
        else:
            yield pickle.dumps(self._function(given), pickle.HIGHEST_PROTOCOL)

    def _prepared(self) -> Errand:
        """Load the function, with the first item: an error of a constructor would be tried again by Ray."""
        import ray

        if not isinstance(self._errand, Errand):
            # one thread a worker, before `tokenizers` starts its own
            os.environ["TOKENIZERS_PARALLELISM"] = "false"
            os.environ["RAYON_NUM_THREADS"] = "1"
            errand: Errand = ray.get(self._errand)
            self._folder = _folder_here(errand)
            self._function = loads(errand.function, self._folder)
            self._errand = errand
        return self._errand


def _folder_here(errand: Errand) -> Path:
    """The dataset folder on this machine: the driver's own, or the copies of what was published."""
    try:
        if (errand.folder / TOKEN).read_text() == errand.token:
            return errand.folder
    except OSError:
        pass
    if errand.published:
        return fetched(errand.published)
    raise ConfigError(
        f"{errand.folder}: is not seen by {os.uname().nodename}, a node of the Ray cluster; give an `output` on a disk "
        "that all nodes share, or set `ray.storage` to a folder in an object storage"
    )

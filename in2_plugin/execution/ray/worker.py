"""The Ray actor that runs the shards of a stage. Every node imports it, so in2-plugin must be installed there.

Invariant: an error that a user can fix returns to the driver unchanged; Ray reports any other one with its traceback.
"""

import os
import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError, In2Error, WorkerDied
from in2_plugin.execution.ray.object_store import UploadedFiles, download
from in2_plugin.execution.ray.relocatable_pickle import loads

CHUNK, END, ERROR = "chunk", "end", "error"
TOKEN = "parts/token"
"""A file with random content: a node that reads the same content shares the driver's folder."""
MAX_ATTEMPTS = 5
"""Attempts at a shard whose workers are killed: Ray itself retries forever."""


@dataclass(frozen=True, slots=True)
class StageTask:
    """The work of a stage, the same for all its workers."""

    function: bytes
    """Pickled by `relocatable_pickle.dumps`."""
    folder: Path
    """The dataset folder on the driver's machine."""
    token: str
    uploaded: UploadedFiles | None
    """The finished files in object storage."""
    yields_chunks: bool
    """The function yields its output in chunks; otherwise it returns one result, which is pickled."""
    attempts: Any
    """A handle to an actor of `AttemptCounter`."""


class AttemptCounter:
    """Attempts per shard of a stage. An actor on the driver's node, so that it survives lost workers."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def increment(self, number: int) -> int:
        """Count one more attempt at shard `number`; return their number."""
        self._counts[number] += 1
        return self._counts[number]


class ShardWorker:
    """Turns rows `{number, item}` into rows `{number, kind, data}`, with a final END row per item."""

    def __init__(self, task: Any) -> None:
        """`task`: a reference to a `StageTask` in Ray's object store."""
        self._task = task
        self._function: Any = None
        self._folder: Path | None = None

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        number = row["number"]
        try:
            for chunk in self._chunks(number, row["item"]):
                yield {"number": number, "kind": CHUNK, "data": chunk}
        except In2Error as error:
            yield {"number": number, "kind": ERROR, "data": pickle.dumps(error)}
        else:
            yield {"number": number, "kind": END, "data": b""}

    def _chunks(self, number: int, item: bytes) -> Iterator[bytes]:
        import ray

        task = self._load_task()
        assert self._folder
        argument = loads(item, self._folder)
        if ray.get(task.attempts.increment.remote(number)) > MAX_ATTEMPTS:
            raise WorkerDied(
                f"{MAX_ATTEMPTS} workers were killed while they ran the same shard; check the memory of the nodes, "
                "and run again (finished shards are kept)"
            )
        if task.yields_chunks:
            yield from self._function(argument)
        else:
            yield pickle.dumps(self._function(argument), pickle.HIGHEST_PROTOCOL)

    def _load_task(self) -> StageTask:
        """Load the function with the first item: Ray would retry an error of a constructor."""
        import ray

        if not isinstance(self._task, StageTask):
            # one thread per worker, before `tokenizers` starts its own
            os.environ["TOKENIZERS_PARALLELISM"] = "false"
            os.environ["RAYON_NUM_THREADS"] = "1"
            task: StageTask = ray.get(self._task)
            self._folder = _local_folder(task)
            self._function = loads(task.function, self._folder)
            self._task = task
        return self._task


def _local_folder(task: StageTask) -> Path:
    """Return the dataset folder on this machine: the driver's own, or copies of the uploaded files."""
    try:
        if (task.folder / TOKEN).read_text() == task.token:
            return task.folder
    except OSError:
        pass
    if task.uploaded:
        return download(task.uploaded)
    raise ConfigError(
        f"{task.folder}: does not exist on {os.uname().nodename}, a node of the Ray cluster; use an `output` on a disk "
        "that all nodes share, or set `ray.storage` to a folder in object storage"
    )

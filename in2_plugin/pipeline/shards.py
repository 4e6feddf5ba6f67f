"""Keep the shards of unfinished stages as finished files in `parts/` of a dataset folder.

    parts/
      segments/shards.json   number of shards, and a digest of what they are made of
      segments/00017.arrow   output of shard 17: Arrow streams, one after the other

Invariants: a file is the complete output of its shard; shards made of other inputs are never used. The list of shards
follows from the input of the stage alone, so any number of runs, workers and machines make the same files. Cost: one
fsync per shard.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import in2_plugin
from in2_plugin import layout
from in2_plugin.execution.engine import Item, ShardFunction
from in2_plugin.io.arrow_stream import read_batches, serialize_batch
from in2_plugin.io.atomic import write_json_atomic
from in2_plugin.io.lock import file_lock
from in2_plugin.pipeline.run import Run

__all__ = ["FinishedShards", "digest", "make_shards", "read_batches", "serialize_batch"]


class FinishedShards:
    """The finished shards of one stage."""

    def __init__(self, folder: Path, stage: str, shards: int) -> None:
        self._folder, self._shards = folder / layout.PARTS / stage, shards

    @property
    def paths(self) -> list[Path]:
        """Paths of the shards, in order."""
        return [self._folder / layout.shard_file(i) for i in range(self._shards)]

    @property
    def missing(self) -> list[int]:
        """Numbers of the shards that are not finished yet."""
        present = {path.name for path in self._folder.iterdir()}
        return [i for i, path in enumerate(self.paths) if path.name not in present]

    def claim(self, made_of: str) -> None:
        """Reserve the folder for these shards, and remove shards that are made of something else."""
        with file_lock(self._folder.parent / layout.CLAIM_LOCK):
            self._claim(made_of)

    def _claim(self, made_of: str) -> None:
        record = self._folder / layout.SHARDS
        wanted, found = {"made_of": made_of, "shards": self._shards}, {}
        with suppress(OSError, ValueError):
            found = json.loads(record.read_text(encoding="utf-8"))
        if found.get("made_of") != made_of:
            self.remove()
            self._folder.mkdir(parents=True)
        if found != wanted:
            write_json_atomic(record, wanted)

    def remove(self) -> None:
        """Remove all shards after their stage; the record goes first, because shards without it are ignored."""
        (self._folder / layout.SHARDS).unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def make_shards(
    run: Run,
    stage: str,
    title: str | None,
    function: ShardFunction[Item],
    shards: Sequence[Item],
    made_of: str,
    needs: Sequence[Path] = (),
    on_shards: Callable[[int], None] = lambda n: None,
) -> FinishedShards:
    """Make the missing shards of a stage, and return all of them.

    Args:
        stage: name of their folder.
        title: name in the progress display; None when the caller shows progress.
        made_of: digest that changes whenever the content of any shard would change.
        needs: files that workers read; see `Engine`.
        on_shards: called with the number of further finished shards, when `title` is None.

    Raises:
        ArrayJobDone, ShardsMissing: shards are left for other jobs.
        WorkerDied: workers were killed.
    """
    finished = FinishedShards(run.folder, stage, len(shards))
    finished.claim(made_of)
    missing = finished.missing
    own = run.array_job.select(missing)
    if own:
        paths = finished.paths
        showing = run.progress.stage(title, len(shards)) if title else nullcontext(on_shards)
        with showing as step:
            step(len(shards) - len(missing))
            for _ in run.engine.write_shards(function, [shards[i] for i in own], [paths[i] for i in own], needs):
                step(1)
    run.array_job.require_all_shards(stage, finished.missing, len(shards))
    return finished


def remove_shards(folder: Path, *patterns: str) -> None:
    """Remove the shards of finished stages whose folders match any of the patterns."""
    for pattern in patterns:
        for stage in (folder / layout.PARTS).glob(pattern):
            (stage / layout.SHARDS).unlink(missing_ok=True)
            shutil.rmtree(stage, ignore_errors=True)


def digest(*values: object) -> str:
    """Return a digest of everything that shards are made of; the version of this package is part of it."""
    return hashlib.sha256(repr((in2_plugin.__version__, *values)).encode()).hexdigest()[:32]

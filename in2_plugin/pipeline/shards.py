"""The shards of a stage as sealed files, until the stage itself is sealed: `parts/` of a dataset folder.

    parts/
      segments/shards.json   how many shards there are, and a digest of what they are made from
      segments/00017.arrow   what shard 17 gives: Arrow streams, one behind the other

Invariant: a file is the whole output of its shard; shards of something else are never taken for them. Shards follow
from the stage's input alone, so that any number of runs, workers and machines make the same files. Cost: one fsync a
shard.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import in2_plugin
from in2_plugin import layout
from in2_plugin.execution.engine import Item, ShardFunction
from in2_plugin.io.arrow_stream import read_batches, serialize_batch
from in2_plugin.io.atomic import write_json_atomic
from in2_plugin.io.lock import file_lock
from in2_plugin.pipeline.run import Run

__all__ = ["Parts", "digest", "made", "read_batches", "serialize_batch"]


class Parts:
    """The sealed shards of one stage."""

    def __init__(self, folder: Path, stage: str, shards: int) -> None:
        self._folder, self._shards = folder / layout.PARTS / stage, shards

    @property
    def paths(self) -> list[Path]:
        """Where each shard is, in order."""
        return [self._folder / layout.shard_file(i) for i in range(self._shards)]

    @property
    def missing(self) -> list[int]:
        """Numbers of the shards that are not sealed."""
        there = {path.name for path in self._folder.iterdir()}
        return [i for i, path in enumerate(self.paths) if path.name not in there]

    def claim(self, made_of: str) -> None:
        """Take the folder for these shards; shards of something else are removed."""
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
        """Remove them: their stage is sealed. The record first, without which nothing here counts."""
        (self._folder / layout.SHARDS).unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def made(
    run: Run,
    stage: str,
    title: str | None,
    function: ShardFunction[Item],
    shards: Sequence[Item],
    made_of: str,
    needs: Sequence[Path] = (),
) -> Parts:
    """The shards of a stage, those that are missing made now.

    Args:
        stage: names their folder.
        title: what the progress says; None where something else does.
        made_of: changes whenever what any shard gives would change.
        needs: see `Engine`.

    Raises:
        ArrayJobDone, ShardsMissing: shards are left for other jobs.
        WorkerDied: workers were killed.
    """
    parts = Parts(run.folder, stage, len(shards))
    parts.claim(made_of)
    missing = parts.missing
    mine = run.portion.mine(missing)
    if mine:
        paths = parts.paths
        showing = run.progress.stage(title, len(shards)) if title else nullcontext(lambda _: None)
        with showing as step:
            step(len(shards) - len(missing))
            for _ in run.engine.make(function, [shards[i] for i in mine], [paths[i] for i in mine], needs):
                step(1)
    run.portion.refuse_missing(stage, parts.missing, len(shards))
    return parts


def remove_parts(folder: Path, *patterns: str) -> None:
    """Remove the parts of sealed stages whose folders have such names."""
    for pattern in patterns:
        for parts in (folder / layout.PARTS).glob(pattern):
            (parts / layout.SHARDS).unlink(missing_ok=True)
            shutil.rmtree(parts, ignore_errors=True)


def digest(*values: object) -> str:
    """A name for what shards are made of; this program's version is part of it."""
    return hashlib.sha256(repr((in2_plugin.__version__, *values)).encode()).hexdigest()[:32]

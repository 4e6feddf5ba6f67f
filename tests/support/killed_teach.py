"""Run `in2 teach` in small shards, and kill it with SIGKILL while it writes the third one."""

import os
import signal
import sys
from pathlib import Path

from in2_plugin.teaching.run import teach
from in2_plugin.teaching.store import TeacherShards
from tests.support.taught import SHARD_EXAMPLES


def main() -> None:
    write = TeacherShards.write

    def write_or_die(self: TeacherShards, shard: int, *scores: object) -> None:
        if shard == 2:
            self._path(shard).with_suffix(".bin.part").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, shard, *scores)

    TeacherShards.write = write_or_die  # type: ignore[method-assign]
    folder, model = sys.argv[1:]
    teach(Path(folder), model, "initial", shard_examples=SHARD_EXAMPLES, dtype="float32")


main()

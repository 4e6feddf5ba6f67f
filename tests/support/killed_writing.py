"""Run `in2 teach --sample` with a teacher that knows the answers, and kill it with SIGKILL at the third shard."""

import os
import signal
import sys
from pathlib import Path

from in2_plugin.teaching.writing.decoding import AnsweringTeacher
from in2_plugin.teaching.writing.run import write_answers
from in2_plugin.teaching.writing.store import WrittenAnswers
from tests.support.knowing_teacher import knowing_write
from tests.support.taught import SHARD_EXAMPLES


def main() -> None:
    write = WrittenAnswers.write

    def write_or_die(self: WrittenAnswers, shard: int, *answers: object) -> None:
        if shard == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, shard, *answers)

    folder, model, output = sys.argv[1:]
    WrittenAnswers.write = write_or_die  # type: ignore[method-assign]
    AnsweringTeacher.write = knowing_write(Path(folder))  # type: ignore[method-assign,assignment]
    write_answers(Path(folder), model, Path(output), dtype="float32", shard_examples=SHARD_EXAMPLES)


main()

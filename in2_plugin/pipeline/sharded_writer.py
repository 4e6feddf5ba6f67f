"""Questions written in shards of passages by any engine, for a writer whose results depend on the passage alone.

Invariant: what comes of a passage is what the writer gives and the planner lets pass, in the order of the passages,
however large a shard is; how many shards were made shows nowhere. Cost: shards for a tenth more passages than are
likely to be needed, and at least one; about 300 bytes a passage of the driver's memory.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from in2_plugin.dataset.tables import REJECTED, question_of, rejection_row
from in2_plugin.errors import ArrayJobDone
from in2_plugin.pipeline.array_job import WHOLE
from in2_plugin.pipeline.planner_handle import Planning
from in2_plugin.pipeline.run import Run
from in2_plugin.pipeline.shards import Parts, digest, made, read_batches, serialize_batch
from in2_plugin.questions import Kind, Passage, Question, QuestionWriter, Rejection
from in2_plugin.questions.collection import rejected
from in2_plugin.questions.question import Results

SHARD_PASSAGES = 512
LEAST_PASSAGES = 64
LEAST_YIELD = 0.02
"""Questions a passage at least, for the guess of how many passages are still needed."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Writes the questions of one shard, here or in a worker process."""

    writer: QuestionWriter
    planning: Planning

    def __call__(self, passages: Sequence[Passage]) -> Iterator[bytes]:
        store = self.planning.store
        shown = (replace(passage, texts=tuple(store.texts(passage.segment_ids))) for passage in passages)
        rows = [self._row(result) for result in self.writer.write(shown, lambda: len(passages))]
        yield serialize_batch(pa.RecordBatch.from_pylist(rows, schema=REJECTED))

    def _row(self, result: Question | Rejection) -> dict[str, Any]:
        if isinstance(result, Question) and (reason := self.planning.planner.objection(result)):
            return rejection_row(rejected(result, reason))
        return asdict(result) if isinstance(result, Question) else rejection_row(result)


class InShards:
    """A `QuestionWriter` that has another one's work done by the engine, for one part of the mixture."""

    def __init__(self, run: Run, writer: QuestionWriter, planning: Planning, part: str, needs: Sequence[Path]) -> None:
        """`part` names the passages: the same name and store stand for the same passages."""
        self._run, self._writing, self._needs = run, Writing(writer, planning), needs
        self._stage = f"questions-{part}"
        self.name = writer.name

    def write(self, passages: Iterable[Passage], missing: Callable[[], int]) -> Results:
        """See `QuestionWriter`; what the planner objects to is rejected."""
        waiting, wanted = iter(passages), missing()
        size = _size(wanted)
        shards = _chunks(waiting, size, _shards(wanted, size))
        run, done = self._run, 0
        while len(shards) > done:
            parts = self._made(run, shards, size)
            for path in parts.paths[done:]:
                yield from _results(path)
            # what jobs could not know to be missing is made by the one that merges
            run, done = replace(self._run, portion=WHOLE), len(shards)
            gives = max((wanted - missing()) / sum(map(len, shards)), LEAST_YIELD)
            shards += _chunks(waiting, size, _shards(missing() / gives, size))

    def make_first(self, passages: Iterator[Passage], wanted: int) -> None:
        """Make this job's part of the shards that are made before anything is counted."""
        size = _size(wanted)
        with suppress(ArrayJobDone):  # there are other parts of the mixture to do
            self._made(self._run, _chunks(passages, size, _shards(wanted, size)), size)

    def _made(self, run: Run, shards: list[list[Passage]], size: int) -> Parts:
        config, planning = run.config, self._writing.planning
        store, template = planning.store, planning.template.fingerprint()
        screened = store.exclusions_digest()
        settings = config.seed, config.lengths, config.distractors.answer
        made_of = digest("questions", self.name, size, settings, store.facts, screened, template)
        return made(run, self._stage, None, self._writing, shards, made_of, self._needs)

    def detail(self) -> str:
        """Nothing: the bar says it all."""
        return ""


def _size(wanted: int) -> int:
    """Passages of a shard, so that few are written in vain where few are wanted."""
    return min(SHARD_PASSAGES, max(LEAST_PASSAGES, wanted))


def _shards(passages: float, size: int) -> int:
    return math.ceil(1.1 * passages / size)


def _chunks(passages: Iterator[Passage], size: int, most: int) -> list[list[Passage]]:
    chunks = (list(islice(passages, size)) for _ in range(most))
    return [chunk for chunk in chunks if chunk]


def _results(path: Path) -> Results:
    for batch, _ in read_batches(path):
        for row in batch.to_pylist():
            reason = row.pop("reason")
            if reason is None:
                yield question_of(row)
            else:
                about = Passage(Kind(row["kind"]), row["document"], tuple(row["segment_ids"]), (), draw=0)
                yield Rejection(about, reason, row["question"], row["answer"], row["writer"], row["request"] or "")

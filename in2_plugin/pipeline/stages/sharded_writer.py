"""Write questions in shards of passages, on any engine, with a writer whose results depend on the passage alone.

Invariant: the results are those that the writer gives and the planner accepts, in the order of the passages, for any
shard size and any number of shards. Cost: shards for a tenth more passages than are likely to be needed, and at least
one; about 300 bytes per passage of the driver's memory.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from in2_plugin.dataset.tables import REJECTED, question_of, question_row, rejection_row
from in2_plugin.errors import ArrayJobDone
from in2_plugin.pipeline.array_job import WHOLE_BUILD
from in2_plugin.pipeline.planner_handle import PlannerHandle
from in2_plugin.pipeline.run import Run
from in2_plugin.pipeline.shards import FinishedShards, digest, make_shards, read_batches, serialize_batch
from in2_plugin.questions import Kind, Passage, Question, QuestionWriter, Rejection
from in2_plugin.questions.collection import rejected
from in2_plugin.questions.question import Results

SHARD_PASSAGES = 512
LEAST_PASSAGES = 64
LEAST_YIELD = 0.02
"""Lower bound of the questions per passage, to estimate how many passages are still needed."""


@dataclass(frozen=True, slots=True)
class WriteShard:
    """Writes the questions of one shard, in this process or in a worker."""

    writer: QuestionWriter
    handle: PlannerHandle

    def __call__(self, passages: Sequence[Passage]) -> Iterator[bytes]:
        store = self.handle.store
        with_texts = (replace(passage, texts=tuple(store.texts(passage.segment_ids))) for passage in passages)
        rows = [self._row(result) for result in self.writer.write(with_texts, lambda: len(passages))]
        yield serialize_batch(pa.RecordBatch.from_pylist(rows, schema=REJECTED))

    def _row(self, result: Question | Rejection) -> dict[str, Any]:
        if isinstance(result, Question) and (reason := self.handle.planner.objection(result)):
            return rejection_row(rejected(result, reason))
        return question_row(result) if isinstance(result, Question) else rejection_row(result)


class ShardedWriter:
    """A `QuestionWriter` that runs another writer on the engine, for one part of the mixture."""

    def __init__(
        self, run: Run, writer: QuestionWriter, handle: PlannerHandle, part: str, needs: Sequence[Path]
    ) -> None:
        """Wrap `writer`; `part` names the passages: the same name and store always mean the same passages."""
        self._run, self._function, self._needs = run, WriteShard(writer, handle), needs
        self._stage = f"questions-{part}"
        self._made = self._of = 0
        self.name = writer.name

    def write(self, passages: Iterable[Passage], missing: Callable[[], int]) -> Results:
        """Yield results as `QuestionWriter` does; questions that the planner objects to are rejected."""
        waiting, wanted = iter(passages), missing()
        size = _shard_size(wanted)
        shards = _chunks(waiting, size, _n_shards(wanted, size))
        run, done = self._run, 0
        while len(shards) > done:
            finished = self._make(run, shards, size)
            for path in finished.paths[done:]:
                yield from _results(path)
            # jobs cannot know that more is needed, so the merge makes further shards alone
            run, done = replace(self._run, array_job=WHOLE_BUILD), len(shards)
            questions_per_passage = max((wanted - missing()) / sum(map(len, shards)), LEAST_YIELD)
            shards += _chunks(waiting, size, _n_shards(missing() / questions_per_passage, size))

    def make_first(self, passages: Iterator[Passage], wanted: int) -> None:
        """Make this job's shards of those that are made before any result is counted."""
        size = _shard_size(wanted)
        with suppress(ArrayJobDone):  # other parts of the mixture follow
            self._make(self._run, _chunks(passages, size, _n_shards(wanted, size)), size)

    def _make(self, run: Run, shards: list[list[Passage]], size: int) -> FinishedShards:
        config, handle = run.config, self._function.handle
        store, template = handle.store, handle.template.fingerprint()
        screened = store.exclusions_digest()
        settings = config.seed, config.lengths, config.distractors.answer
        weights = [sorted(config.questions.forms.items())] if config.questions.forms else []
        made_of = digest("questions", self.name, size, settings, store.facts, screened, template, *weights)
        self._made, self._of = 0, len(shards)
        return make_shards(run, self._stage, None, self._function, shards, made_of, self._needs, self._count)

    def _count(self, shards: int) -> None:
        self._made += shards

    def detail(self) -> str:
        """Return the finished shards: their questions are counted when all are finished."""
        return f"{self._made} of {self._of} shards written" if self._made < self._of else ""


def _shard_size(wanted: int) -> int:
    """Return the passages per shard; fewer when few are wanted, so that little is written in vain."""
    return min(SHARD_PASSAGES, max(LEAST_PASSAGES, wanted))


def _n_shards(passages: float, size: int) -> int:
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
                passage = Passage(Kind(row["kind"]), row["document"], tuple(row["segment_ids"]), (), draw=0)
                yield Rejection(passage, reason, row["question"], row["answer"], row["writer"], row["request"] or "")

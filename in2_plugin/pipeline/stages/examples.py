"""Run the example stage: plan examples from questions and conversations, shard by shard, in a fixed order.

    parts/
      orders.arrow   the content of each example, drawn by the driver; record batch k is shard k
      pool.arrow     the filler segments of the store
      examples/      the planned examples of each shard

Invariant: the same bytes for any number of workers, jobs and machines. The memory of a worker does not grow with the
corpus. Cost: about 2 ms per example of 16K tokens and core; in the driver 0.2 ms and 0.7 KB of disk per example.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from in2_plugin import layout
from in2_plugin.config import Mixture
from in2_plugin.dataset.order_table import StoredOrders, write_orders
from in2_plugin.dataset.plans import digest_of
from in2_plugin.dataset.tables import EXAMPLES, BatchWriter, StoredConversations, StoredQuestions, example_row
from in2_plugin.examples.planner import ContextOrder, ExamplePlanner, Order
from in2_plugin.examples.positions import Dealer
from in2_plugin.examples.specs import orders
from in2_plugin.execution.process_pool import in_chunks
from in2_plugin.io.arrow_stream import read_batches, serialize_batch
from in2_plugin.pipeline.passages import wanted_questions
from in2_plugin.pipeline.planner_handle import PlannerHandle
from in2_plugin.pipeline.run import Run, stage_rng
from in2_plugin.pipeline.shards import FinishedShards, digest, make_shards
from in2_plugin.pipeline.shared_inputs import filler_pool, remove_inputs, stage_input
from in2_plugin.pipeline.stages.distractors import DistractorFilter
from in2_plugin.pipeline.stages.questions import used_questions

SHARD_EXAMPLES = 1_024
CHUNK = 128
"""Examples that are held in memory at a time; a shard has eight such batches."""


@dataclass(frozen=True, slots=True)
class PlanShard:
    """Plans the examples of one shard of the orders."""

    handle: PlannerHandle
    orders: StoredOrders

    def __call__(self, shard: int) -> Iterator[bytes]:
        for chunk in in_chunks(self.orders[shard], CHUNK):
            rows = [example_row(self.handle.planner.plan(order)) for order in chunk]
            yield serialize_batch(pa.RecordBatch.from_pylist(rows, schema=EXAMPLES))


def example_stage(
    run: Run, handle: PlannerHandle, questions: StoredQuestions, conversations: StoredConversations
) -> None:
    """Write examples.parquet, unless it exists.

    Raises:
        NotEnoughSegments: the corpus cannot fill a context.
        ArrayJobDone, ShardsMissing: shards are left for other jobs.
        WorkerDied: a worker process was killed.
    """
    path = run.folder / layout.EXAMPLES
    if path.exists():
        return
    pool = filler_pool(run, handle.store)
    handle = handle.with_pool(pool)
    made_of = _made_of(run, handle)
    ordered = _orders(run, handle.planner, questions, conversations, made_of)
    needs = [*handle.store.files, ordered.path, pool]
    function, shards = PlanShard(handle, ordered), range(ordered.shards)
    finished = make_shards(run, "examples", "placing questions in contexts", function, shards, made_of, needs)
    _merge(run, path, handle.planner, ordered, finished)
    finished.remove()
    remove_inputs(run, layout.ORDERS, layout.POOL)


def _made_of(run: Run, handle: PlannerHandle) -> str:
    """Return a digest of everything that an order or an example depends on."""
    files = [digest_of(run.folder / name) for name in (layout.QUESTIONS, layout.INSTRUCTIONS)]
    config, template = run.config, handle.template.fingerprint()
    settings = config.seed, config.lengths, config.positions, config.mixture, config.questions_per_context
    return digest(
        "examples, places", SHARD_EXAMPLES, handle.store.facts, template, files, settings, config.distractors.answer
    )


def _orders(
    run: Run, planner: ExamplePlanner, questions: StoredQuestions, conversations: StoredConversations, made_of: str
) -> StoredOrders:
    config = run.config
    scale = _available_scale(config.mixture, questions, conversations)
    if scale < 1:
        run.progress.say(f"the mixture is scaled to {scale:.1%}, so that its parts keep their proportions")

    def write(part: Path, made_of: str) -> None:
        used = used_questions(config.mixture, questions, scale)
        general, rng = int(config.mixture.counts()["general"] * scale), stage_rng(config.seed, "examples")
        dealer, per_context = Dealer(config.positions, rng), config.questions_per_context
        drawn = orders(questions, used, conversations, general, per_context, planner.go_together, dealer, rng)
        with run.progress.stage("drawing examples", sum(map(len, used.values())) + general) as step:
            write_orders(part, _counted(drawn, step), SHARD_EXAMPLES, made_of)

    return StoredOrders(stage_input(run, layout.ORDERS, made_of, write))


def _merge(run: Run, path: Path, planner: ExamplePlanner, ordered: StoredOrders, finished: FinishedShards) -> None:
    """Merge the shards into one file, and replace fillers that answer a question."""
    config, say = run.config, run.progress.say
    with (
        DistractorFilter.of(
            config.distractors.judge_hardest, config.questions, run.folder / layout.WORK_LOG, planner, say
        ) as distractors,
        BatchWriter(path, EXAMPLES) as rows,
        run.progress.stage("writing examples", None, distractors.detail) as step,
    ):
        for shard, path_of_shard in enumerate(finished.paths):
            planned = (batch for batch, _ in read_batches(path_of_shard))
            for batch in distractors.filter(ordered[shard], planned) if distractors.is_active else planned:
                rows.add(batch)
                step(batch.num_rows)
    say(f"{rows.count:,} examples of up to {config.lengths.max:,} tokens; {distractors.line()}".rstrip("; "))


def _counted(drawn: Iterator[Order], step: Callable[[int], None]) -> Iterator[Order]:
    for order in drawn:
        yield order
        step(len(order.questions) if isinstance(order, ContextOrder) else 1)


def _available_scale(mixture: Mixture, questions: StoredQuestions, conversations: StoredConversations) -> float:
    """Return the fraction of the mixture that is available in its proportions: 1 unless a part came out short."""
    available = [(len(questions.numbers(part, kind)), n) for part, kind, n in wanted_questions(mixture)]
    available.append((len(conversations), mixture.counts()["general"]))
    return min([1.0, *(have / n for have, n in available if n)])

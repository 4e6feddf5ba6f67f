"""The example stage: questions and conversations become examples, planned shard by shard, in a fixed order.

    parts/
      orders.arrow   what each example is to be, drawn by the driver; record batch k is shard k
      pool.arrow     the fillers of the store
      examples/      the planned examples of each shard

Invariant: the same bytes for any number of workers, jobs and machines. A worker's memory does not grow with the corpus.
Cost: about 2 ms an example of 16K tokens and core; in the driver 0.2 ms an example and 0.7 KB of disk.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.dataset.order_table import StoredOrders, write_orders
from in2_plugin.dataset.plans import digest_of
from in2_plugin.dataset.tables import EXAMPLES, BatchWriter, StoredConversations, StoredQuestions
from in2_plugin.examples.planner import ContextOrder, ExamplePlanner, Order
from in2_plugin.examples.positions import Dealer
from in2_plugin.examples.specs import orders
from in2_plugin.execution.process_pool import in_chunks
from in2_plugin.io.arrow_stream import read_batches, serialize_batch
from in2_plugin.pipeline.distractors import Distraction
from in2_plugin.pipeline.passages import wanted_questions
from in2_plugin.pipeline.planner_handle import Planning
from in2_plugin.pipeline.questions import used_questions
from in2_plugin.pipeline.run import Run, generator
from in2_plugin.pipeline.shards import Parts, digest, made
from in2_plugin.pipeline.shared_inputs import filler_pool, remove_inputs, stage_input

SHARD_EXAMPLES = 1_024
CHUNK = 128
"""Examples that are held at a time; a shard has eight such blobs."""


@dataclass(frozen=True, slots=True)
class Placing:
    """Plans the examples of one shard of the orders."""

    planning: Planning
    orders: StoredOrders

    def __call__(self, shard: int) -> Iterator[bytes]:
        for chunk in in_chunks(self.orders[shard], CHUNK):
            rows = [asdict(self.planning.planner.plan(order)) for order in chunk]
            yield serialize_batch(pa.RecordBatch.from_pylist(rows, schema=EXAMPLES))


def example_stage(run: Run, planning: Planning, questions: StoredQuestions, conversations: StoredConversations) -> None:
    """Write examples.parquet, unless it is there.

    Raises:
        NotEnoughSegments: the corpus cannot fill a context.
        ArrayJobDone, ShardsMissing: shards are left for other jobs.
        WorkerDied: a worker process was killed.
    """
    path = run.folder / layout.EXAMPLES
    if path.exists():
        return
    pool = filler_pool(run, planning.store)
    planning = planning.with_pool(pool)
    made_of = _made_of(run, planning)
    ordered = _orders(run, planning.planner, questions, conversations, made_of)
    needs = [*planning.store.files, ordered.path, pool]
    placing, shards = Placing(planning, ordered), range(ordered.shards)
    parts = made(run, "examples", "placing questions in contexts", placing, shards, made_of, needs)
    _merge(run, path, planning.planner, ordered, parts)
    parts.remove()
    remove_inputs(run, layout.ORDERS, layout.POOL)


def _made_of(run: Run, planning: Planning) -> str:
    """A digest of all that an order or an example depends on."""
    files = [digest_of(run.folder / name) for name in (layout.QUESTIONS, layout.INSTRUCTIONS)]
    config, template = run.config, planning.template.fingerprint()
    settings = config.seed, config.lengths, config.positions, config.mixture, config.questions_per_context
    return digest(
        "examples", SHARD_EXAMPLES, planning.store.facts, template, files, settings, config.distractors.answer
    )


def _orders(
    run: Run, planner: ExamplePlanner, questions: StoredQuestions, conversations: StoredConversations, made_of: str
) -> StoredOrders:
    config = run.config
    share = _share(config, questions, conversations)
    if share < 1:
        run.progress.say(
            f"the mixture is made {share:.1%} of what it asks for, so that its parts keep their proportions"
        )

    def write(part: Path, made_of: str) -> None:
        used = used_questions(config, questions, share)
        general, rng = int(config.mixture.counts()["general"] * share), generator(config, "examples")
        dealer, per_context = Dealer(config.positions, rng), config.questions_per_context
        drawn = orders(questions, used, conversations, general, per_context, planner.go_together, dealer, rng)
        with run.progress.stage("drawing examples", sum(map(len, used.values())) + general) as step:
            write_orders(part, _counted(drawn, step), SHARD_EXAMPLES, made_of)

    return StoredOrders(stage_input(run, layout.ORDERS, made_of, write))


def _merge(run: Run, path: Path, planner: ExamplePlanner, ordered: StoredOrders, parts: Parts) -> None:
    """The parts in order as one file; fillers that answer a question are replaced on the way."""
    config, say = run.config, run.progress.say
    with (
        Distraction.of(config, planner, say) as distraction,
        BatchWriter(path, EXAMPLES) as rows,
        run.progress.stage("writing examples", None, distraction.detail) as step,
    ):
        for shard, part in enumerate(parts.paths):
            planned = (batch for batch, _ in read_batches(part))
            for batch in distraction.removed(ordered[shard], planned) if distraction.judges else planned:
                rows.add(batch)
                step(batch.num_rows)
    say(f"{rows.count:,} examples of up to {config.lengths.max:,} tokens; {distraction.line()}".rstrip("; "))


def _counted(drawn: Iterator[Order], step: Callable[[int], None]) -> Iterator[Order]:
    for order in drawn:
        yield order
        step(len(order.questions) if isinstance(order, ContextOrder) else 1)


def _share(config: BuildConfig, questions: StoredQuestions, conversations: StoredConversations) -> float:
    """How much of the mixture can be had in its proportions: 1 unless a kind of question in a part came out short."""
    had = [(len(questions.numbers(part, kind)), n) for part, kind, n in wanted_questions(config)]
    had.append((len(conversations), config.mixture.counts()["general"]))
    return min([1.0, *(have / n for have, n in had if n)])

"""Run the plan stage: assemble every example once more and write what a trainer needs to flat files.

A shard is a row group of examples.parquet. Invariant: the same bytes for any number of workers, jobs and machines; a
row that differs from its plan ends the stage. Cost: 1.5 ms per example of 32K tokens and core (0.5 ms of it to read the
context's text for the opening of the answer, `benchmarks/openings.py`), 0.3 ms per further answer, and 30 us in the
driver.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.dataset.plan_table import batch_of, plans_in
from in2_plugin.dataset.plans import Plans, PlanWriter, digest_of, plan_of
from in2_plugin.dataset.reader import render_row, turns_of
from in2_plugin.dataset.tables import read_rows
from in2_plugin.examples.rendering import Renderer
from in2_plugin.examples.template import Template
from in2_plugin.execution.process_pool import in_chunks
from in2_plugin.io.arrow_stream import read_batches, serialize_batch
from in2_plugin.pipeline.run import Run
from in2_plugin.pipeline.shards import digest, make_shards

CHUNK = 128
"""Examples that are assembled at a time."""


class LayOutShard:
    """Makes the plans of one row group, in this process or in a worker, which opens the store again."""

    def __init__(self, examples: Path, store: SegmentStore, tokenizer: TextTokenizer, template: Template) -> None:
        self._of = examples, store, tokenizer, template
        self._renderer: Renderer | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"_of": self._of, "_renderer": None}

    def __call__(self, group: int) -> Iterator[bytes]:
        examples, store, tokenizer, template = self._of
        self._renderer = self._renderer or Renderer(store, tokenizer, template)
        for rows in in_chunks(read_rows(examples, [group]), CHUNK):
            plans = []
            for row in rows:
                turns = turns_of(row)
                frame = template.frame(len(turns), len(row["segment_ids"]) > 0)
                plans.append(plan_of(row, render_row(self._renderer, row, examples.parent), frame, turns, store))
            yield serialize_batch(batch_of(plans))


def plan_stage(run: Run, store: SegmentStore, tokenizer: TextTokenizer, template: Template) -> None:
    """Write plans/, unless it is complete for these examples and token ids; `template` has the frames of all examples.

    Raises:
        DatasetError: an example differs from its plan.
        ArrayJobDone, ShardsMissing: shards are left for other jobs.
        WorkerDied: a worker process was killed.
    """
    folder, examples = run.folder / layout.PLANS, run.folder / layout.EXAMPLES
    made_of = digest_of(examples)
    ids = {text: tokenizer.ids([text])[0] for text in template.fixed_texts()}
    if (folder / layout.PLAN_FACTS).exists():
        found = Plans(folder, store, tokenizer)
        if (found.made_of, found.template_ids, found.knows_openings) == (made_of, ids, True):
            return
    function = LayOutShard(examples, store, tokenizer, template)
    groups = range(pq.read_metadata(examples).num_row_groups)
    of = digest("plans with openings", made_of, store.facts, template.fingerprint(), ids)
    needs = [*store.files, examples]
    finished = make_shards(run, "plans", "laying out for trainers", function, groups, of, needs)
    with PlanWriter(folder, store, ids, made_of) as writer:
        for path in finished.paths:
            for batch, _ in read_batches(path):
                for plan in plans_in(batch):
                    writer.add(plan)
    finished.remove()

"""The plan stage: every example is put together once more, and what a trainer needs of it goes to flat files.

Invariant: the same bytes for any number of workers; a row that does not come out as it was planned ends the stage.
Cost: about 0.4 ms an example and core.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from in2_plugin.config import BuildConfig
from in2_plugin.contexts.dataset import render_row, turns_of
from in2_plugin.contexts.plans import FACTS, PLANS, Plan, Plans, PlanWriter, digest_of, plan_of
from in2_plugin.contexts.rendering import Renderer
from in2_plugin.contexts.tables import read_rows
from in2_plugin.contexts.template import Template
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.parallel import in_chunks, ordered_map
from in2_plugin.stages.stage import Progress, workers

CHUNK = 128
"""Examples that are put together at a time."""


class Assembling:
    """Makes plans of chunks of rows, in this process or in another one that opens the store again."""

    def __init__(self, folder: Path, store: SegmentStore, tokenizer: TextTokenizer, template: Template) -> None:
        self._of = folder, store, tokenizer, template
        self._renderer: Renderer | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"_of": self._of, "_renderer": None}

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> list[Plan]:
        folder, store, tokenizer, template = self._of
        self._renderer = self._renderer or Renderer(store, tokenizer, template)
        plans = []
        for row in rows:
            said = turns_of(row)
            frame = template.frame(len(said), len(row["segment_ids"]) > 0)
            plans.append(plan_of(row, render_row(self._renderer, row, folder), frame, said, store))
        return plans


def plan_stage(
    config: BuildConfig, store: SegmentStore, tokenizer: TextTokenizer, template: Template, progress: Progress
) -> None:
    """Write plans/, unless those of these examples are there. `template` has the frames of every number of turns.

    Raises:
        DatasetError: an example is not what it was planned as.
        WorkerDied: a worker process was killed.
    """
    folder, path = config.output / PLANS, config.output / "examples.parquet"
    made_of = digest_of(path)
    if (folder / FACTS).exists() and Plans(folder, store, tokenizer).made_of == made_of:
        return
    heads = {text: tokenizer.ids([text])[0] for text in template.heads()}
    assembling = Assembling(config.output, store, tokenizer, template)
    with (
        PlanWriter(folder, store, heads, made_of) as writer,
        progress.stage("laying out for trainers", pq.read_metadata(path).num_rows) as step,
    ):
        for plans in ordered_map(assembling, in_chunks(read_rows(path), CHUNK), workers(config)):
            for plan in plans:
                writer.add(plan)
            step(len(plans))

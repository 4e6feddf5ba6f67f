"""Carry the example planner to worker processes: it checks questions and plans examples.

Invariant: the planner of a worker equals that of the driver. Cost: pickled, its paths and the JSON of the tokenizer;
opened, a few memory maps and a cache of filler texts (`TEXT_CACHE` in examples/planner.py, about 60 MB).
"""

from functools import cached_property
from pathlib import Path

from in2_plugin.config import Distractors, Lengths, Positions
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.examples.fillers import FillerPool
from in2_plugin.examples.planner import ExamplePlanner
from in2_plugin.examples.rendering import Renderer
from in2_plugin.examples.template import Template


class PlannerHandle:
    """Pickles everything that a planner is made from; each process opens the planner once."""

    def __init__(
        self,
        store: SegmentStore,
        tokenizer: TextTokenizer,
        template: Template,
        lengths: Lengths,
        positions: Positions,
        distractors: Distractors,
        seed: int,
        pool: Path | None = None,
    ) -> None:
        """Keep the parts of a planner; `pool` is a file of `filler_pool`, mapped instead of collecting the fillers."""
        self.store, self.template, self.tokenizer = store, template, tokenizer
        self._settings, self._pool = (lengths, positions, distractors, seed), pool

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "planner"}

    @cached_property
    def planner(self) -> ExamplePlanner:
        """The planner of this process."""
        renderer = Renderer(self.store, self.tokenizer, self.template)
        pool = FillerPool.open(self._pool) if self._pool else None
        return ExamplePlanner(self.store, renderer, *self._settings, pool)

    def with_pool(self, pool: Path) -> "PlannerHandle":
        """Return the same handle with a file of fillers."""
        return PlannerHandle(self.store, self.tokenizer, self.template, *self._settings, pool)

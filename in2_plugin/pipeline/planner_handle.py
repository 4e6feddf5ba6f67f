"""The planner that questions are tried with and examples are made by, as it travels to a worker.

Invariant: a planner of a worker is that of the driver. Cost: pickled, its paths and the tokenizer's JSON; opened, some
memory maps, and the text of fillers that come up again (`TEXT_CACHE` in contexts/examples.py, about 60 MB).
"""

from functools import cached_property
from pathlib import Path

from in2_plugin.config import Distractors, Lengths
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.examples.fillers import FillerPool
from in2_plugin.examples.planner import ExamplePlanner
from in2_plugin.examples.rendering import Renderer
from in2_plugin.examples.template import Template


class Planning:
    """A planner for this process or for another one, which opens the store again."""

    def __init__(
        self,
        store: SegmentStore,
        tokenizer: TextTokenizer,
        template: Template,
        lengths: Lengths,
        distractors: Distractors,
        seed: int,
        pool: Path | None = None,
    ) -> None:
        """`pool`: a file of `filler_pool`, mapped in place of putting the fillers together."""
        self.store, self.template = store, template
        self._tokenizer, self._settings, self._pool = tokenizer, (lengths, distractors, seed), pool

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "planner"}

    @cached_property
    def planner(self) -> ExamplePlanner:
        """The planner, made once a process."""
        renderer = Renderer(self.store, self._tokenizer, self.template)
        pool = FillerPool.open(self._pool) if self._pool else None
        return ExamplePlanner(self.store, renderer, *self._settings, pool)

    def with_pool(self, pool: Path) -> "Planning":
        """The same over a file of fillers."""
        return Planning(self.store, self._tokenizer, self.template, *self._settings, pool)

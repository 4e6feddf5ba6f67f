"""The example stage: questions and conversations become examples, planned in worker processes, in a fixed order.

Invariant: the same bytes for any number of workers. Cost: about 2 ms an example of 16K tokens and core.
"""

from dataclasses import asdict
from functools import cached_property

from in2_plugin.config import BuildConfig, Distractors, Lengths
from in2_plugin.contexts.examples import ContextOrder, Conversation, Example, ExamplePlanner
from in2_plugin.contexts.ordering import orders
from in2_plugin.contexts.positions import Dealer
from in2_plugin.contexts.rendering import Renderer
from in2_plugin.contexts.tables import EXAMPLES, RowWriter, StoredConversations, StoredQuestions
from in2_plugin.contexts.template import Template
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.parallel import in_chunks, ordered_map
from in2_plugin.stages.distractors import Distraction
from in2_plugin.stages.questions import used_questions, wanted_questions
from in2_plugin.stages.stage import Progress, generator, workers

CHUNK = 128
"""Examples that are planned at a time."""
Order = ContextOrder | Conversation


class Planning:
    """Plans chunks of orders, in this process or in another one that opens the store again."""

    def __init__(
        self,
        store: SegmentStore,
        tokenizer: TextTokenizer,
        template: Template,
        lengths: Lengths,
        distractors: Distractors,
        seed: int,
    ) -> None:
        self._of = store, tokenizer, template
        self._settings = lengths, distractors, seed

    def __getstate__(self) -> dict[str, object]:
        return {"_of": self._of, "_settings": self._settings}

    @cached_property
    def planner(self) -> ExamplePlanner:
        """The planner, made once a process."""
        return ExamplePlanner(self._of[0], Renderer(*self._of), *self._settings)

    def __call__(self, chunk: list[Order]) -> list[tuple[Order, Example]]:
        return [(order, self.planner.plan(order)) for order in chunk]


def example_stage(
    config: BuildConfig,
    planning: Planning,
    questions: StoredQuestions,
    conversations: StoredConversations,
    progress: Progress,
) -> None:
    """Write examples.parquet, unless it is there.

    Raises:
        NotEnoughSegments: the corpus cannot fill a context.
        WorkerDied: a worker process was killed.
    """
    path = config.output / "examples.parquet"
    if path.exists():
        return
    share = _share(config, questions, conversations)
    used = used_questions(config, questions, share)
    general = int(config.mixture.counts()["general"] * share)
    if share < 1:
        progress.say(f"the mixture is made {share:.1%} of what it asks for, so that its parts keep their proportions")
    planner = planning.planner
    rng = generator(config, "examples")
    dealer, per_context = Dealer(config.positions, rng), config.questions_per_context
    ordered = orders(questions, used, conversations, general, per_context, planner.go_together, dealer, rng)
    total = sum(map(len, used.values())) + general
    with (
        Distraction.of(config, planner, progress.say) as distraction,
        RowWriter(path, EXAMPLES) as rows,
        progress.stage("placing questions in contexts", total, distraction.detail) as step,
    ):
        for planned in ordered_map(planning, in_chunks(ordered, CHUNK), workers(config)):
            for example in distraction.removed(planned):
                rows.add(asdict(example))
                step(len(example.turns) if example.segment_ids.size else 1)
    progress.say(f"{rows.count:,} examples of up to {config.lengths.max:,} tokens; {distraction.line()}".rstrip("; "))


def _share(config: BuildConfig, questions: StoredQuestions, conversations: StoredConversations) -> float:
    """How much of the mixture can be had in its proportions: 1 unless a kind of question in a part came out short."""
    had = [(len(questions.numbers(part, kind)), n) for part, kind, n in wanted_questions(config)]
    had.append((len(conversations), config.mixture.counts()["general"]))
    return min([1.0, *(have / n for have, n in had if n)])

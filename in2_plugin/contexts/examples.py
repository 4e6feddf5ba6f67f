"""From questions to examples: a target length each, fillers, an order, exact token counts.

An example is a plan: segment ids in reading order, with the ranges of its gold. Invariants: `n_tokens` is exact and
within [lengths.min, lengths.max]; the answer's end-of-turn token is among the `n_answer_tokens`. Cost: about 2 ms
an example of 16K tokens, most of it looking for exclusive texts in fillers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from in2_plugin.config import Lengths
from in2_plugin.contexts.planning import FillerPool, Ids, draw_target, fill, shuffled
from in2_plugin.contexts.rendering import GoldSpan, Renderer, gold_spans
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import NotEnoughSegments
from in2_plugin.questions import Kind, Question

FILLER_TRIES = 8
"""Draws of fillers before an example that misses its length bounds is given up as impossible."""
TEXT_CACHE = 65_536
SAMPLE = 1_024
"""Segments looked at to tell whether a question leaves enough fillers, at most; all of a small corpus."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training example, as ids of the segment store."""

    kind: Kind
    form: str
    question: str
    answer: str
    document: int
    segment_ids: Ids
    """(n_segments,) in reading order."""
    gold: tuple[GoldSpan, ...]
    n_tokens: int
    """Tokens of the whole rendered example."""
    n_answer_tokens: int
    """Supervised tokens: the answer and its end-of-turn token."""


class ExamplePlanner:
    """Plans examples over one store; draws from the generator in the order it is asked."""

    def __init__(self, store: SegmentStore, renderer: Renderer, lengths: Lengths) -> None:
        self._store, self._renderer, self._lengths = store, renderer, lengths
        self._pool = FillerPool.of(store.usable, store.n_tokens, store.document)
        many = len(self._pool.ids) > SAMPLE
        self._sample = self._pool.ids[:: len(self._pool.ids) // (SAMPLE // 8) if many else 1]
        self._folded = lru_cache(TEXT_CACHE)(lambda segment: store.text(segment).casefold())

    def need(self, question: Question) -> int:
        """Tokens of an example without any filler, give or take one or two."""
        own = int(self._store.n_tokens[list(question.segment_ids)].sum())
        return own + self._renderer.overhead(question.question, question.answer)

    def objection(self, question: Question) -> str | None:
        """Why no example can be made of a question, or None."""
        filler = self._lengths.max - self.need(question)
        if filler < 0:
            return "its segments, question and answer are longer than lengths.max"
        if self._free_tokens(question) < filler:
            return "too little of the corpus may stand beside it for lengths.max"
        return None

    def _free_tokens(self, question: Question) -> float:
        """Tokens of all segments that may be fillers for a question; from a sample when there are many."""
        others = self._sample[self._store.document[self._sample] != question.document]
        is_banned = self._ban(question)
        free = [int(self._store.n_tokens[i]) for i in others.tolist() if not is_banned(i)]
        # two long segments less: the last fillers are chosen among those that fit
        return sum(free) * len(self._pool.ids) / max(1, len(self._sample)) - 2 * self._pool.common_lengths[1]

    def plan(self, questions: Sequence[Question], rng: np.random.Generator) -> Iterator[Example]:
        """One example a question, in random order.

        Raises:
            NotEnoughSegments: the corpus cannot fill a context.
        """
        for i in rng.permutation(len(questions)).tolist():
            yield self._plan_one(questions[i], rng)

    def _ban(self, question: Question) -> Callable[[int], bool]:
        """Tells of a segment whether it holds a text that must not stand in a filler."""
        exclusive = [text.casefold() for text in question.exclusive]

        def is_banned(segment: int) -> bool:
            folded = self._folded(segment)
            return any(text in folded for text in exclusive)

        return is_banned

    def _plan_one(self, question: Question, rng: np.random.Generator) -> Example:
        need = self.need(question)
        target = draw_target(need, self._lengths.min, self._lengths.max, rng)
        budget = target - need
        is_banned = self._ban(question)
        for tried in range(FILLER_TRIES):
            fillers = fill(self._pool, budget, question.document, is_banned, rng)
            order = shuffled(question.segment_ids, fillers, rng)
            rendered = self._renderer.render(order, question.question, question.answer)
            n_tokens = len(rendered.input_ids)
            if self._lengths.min <= n_tokens <= self._lengths.max:
                start, stop = rendered.answer
                spans = gold_spans(rendered, order.tolist(), question.gold)
                return Example(
                    question.kind, question.form, question.question, question.answer, question.document,
                    order, spans, n_tokens, stop - start,
                )  # fmt: skip
            # the last segment changes the count by a token or two, and no filler may be short enough to fill a
            # small gap: aim again from the other side, each time farther
            budget += (target - n_tokens) * 2**tried
        raise NotEnoughSegments(
            f"no filler makes an example of {target:,} tokens (lengths {self._lengths.min:,} to "
            f"{self._lengths.max:,}); add text to the corpus or widen lengths"
        )

"""Fill the contexts of a probe to their lengths, and deal each question to every depth.

Invariants: the longest prompt of every context, counted in full with the tokenizer and chat template of the probe file,
and the generated tokens fit its length; no segment of a context answers a question that it is not the gold of. The
contexts depend on the questions, the store and the seed alone. Cost: about 0.2 s per context of 32K tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from in2_plugin.corpus.splicing import SEPARATOR
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import NotEnoughSegments, ProbeError
from in2_plugin.examples.fillers import fill
from in2_plugin.probing.own_text.grouping import Neighbours, group
from in2_plugin.probing.own_text.placing import ContextLayout, QuestionGolds, lay_out
from in2_plugin.probing.own_text.tables import AskedQuestion, DepthQuestion, PlannedContext
from in2_plugin.probing.probes.options import NEW_TOKENS
from in2_plugin.probing.probes.templates import TEMPLATES
from in2_plugin.probing.probes.tokens import TokenCounter
from in2_plugin.questions import Kind

TRIES = 8
"""Attempts to fill a context; each takes away the tokens by which the last one was too long."""
TEMPLATE = TEMPLATES["plain"]
Block = Sequence[DepthQuestion]
"""Questions that share contexts."""


class NoRoom(ProbeError):
    """A question whose gold is too long for one of the parts."""

    def __init__(self, question: DepthQuestion, message: str) -> None:
        super().__init__(message)
        self.question = question


def context_text(store: SegmentStore, segment_ids: Sequence[int]) -> str:
    """Return the text of a context, as in training examples."""
    return SEPARATOR.join(store.texts(segment_ids))


@dataclass(frozen=True)
class ContextPlanner:
    """Plans the contexts of all lengths."""

    neighbours: Neighbours
    tokens: TokenCounter
    n_depths: int
    per_context: int
    """Most questions that share a context."""
    seed: int

    @cached_property
    def _store(self) -> SegmentStore:
        return self.neighbours.store

    def plan(self, questions: Sequence[DepthQuestion], lengths: Sequence[int]) -> Iterator[PlannedContext]:
        """Yield the contexts, those of the shortest length first.

        Raises:
            NotEnoughSegments: the corpus cannot fill a context.
            NoRoom: the gold of a question does not fit into every part of a context.
        """
        apart = self._distances(questions)
        number = 0
        for length in lengths:
            for i, block in enumerate(group(questions, self.neighbours, length - NEW_TOKENS, self.per_context)):
                rng = np.random.default_rng([self.seed, *b"probe", length, i])
                for part, layout, n_tokens in self._filled(block, apart, length, rng):
                    asked = _asked(part, layout, self._store)
                    yield PlannedContext(number, length, layout.segment_ids, n_tokens, asked)
                    number += 1

    def _distances(self, questions: Sequence[DepthQuestion]) -> dict[int, int]:
        """Deal the distances between two golds, in parts, to the integration questions."""
        several = [question.number for question in questions if question.kind == Kind.INTEGRATION]
        return {number: i % self.n_depths for i, number in enumerate(several)}

    def _filled(
        self, block: Block, apart: dict[int, int], length: int, rng: np.random.Generator
    ) -> list[tuple[Block, ContextLayout, int]]:
        """Return the contexts of a block with the tokens of their longest prompts; of its halves if it has no room."""
        if found := self._fill_whole(block, apart, length, rng):
            return [(block, layout, n_tokens) for layout, n_tokens in found]
        if len(block) == 1:
            raise NoRoom(
                block[0],
                f"a context of {length:,} tokens has too few segments to put the gold of {block[0].text!r} into each "
                f"of {self.n_depths} parts; lower `depths` or `corpus.segment_tokens`, or raise `lengths`",
            )
        half = len(block) // 2
        return [one for part in (block[:half], block[half:]) for one in self._filled(part, apart, length, rng)]

    def _fill_whole(
        self, block: Block, apart: dict[int, int], length: int, rng: np.random.Generator
    ) -> list[tuple[ContextLayout, int]]:
        golds = [QuestionGolds(self._sized(question.segments), apart.get(question.number, 0)) for question in block]
        own = [segment for one in golds for segment, _ in one.segments]
        most = length - NEW_TOKENS
        budget = most - self._longest(own, block)
        documents = frozenset(question.document for question in block)
        ban = self.neighbours.ban(block)
        for tried in range(TRIES):
            try:
                fillers = fill(self.neighbours.pool, budget, documents, ban, rng)
            except NotEnoughSegments:
                raise NotEnoughSegments(
                    f"a context of {length:,} tokens cannot be filled: too little of the corpus may stand beside its "
                    "questions; add text to the corpus or lower `lengths`"
                ) from None
            sized, astray = self._sized(fillers), len(block) == 1 and tried >= TRIES // 2
            layouts = lay_out(golds, sized, self.n_depths, rng, allows_astray=astray)
            counts = [self._longest(layout.segment_ids, block) for layout in layouts]
            if layouts and max(counts) <= most:
                return list(zip(layouts, counts, strict=True))
            budget -= max(counts, default=most) - most
        return []

    def _sized(self, segments: Sequence[int]) -> tuple[tuple[int, int], ...]:
        return tuple((int(i), int(self._store.n_tokens[i])) for i in segments)

    def _longest(self, segment_ids: Sequence[int], block: Block) -> int:
        """Return the tokens of the longest prompt about a context."""
        tails = self.tokens.each([TEMPLATE.tail(question.text) for question in block])
        context = context_text(self._store, segment_ids)
        # the first token of a tail may join the context's last one, so a tail that is a token shorter can win
        candidates = [q for q, n in zip(block, tails, strict=True) if n >= max(tails) - 1]
        return max(self.tokens.prompt(TEMPLATE.prompt(context, question.text)) for question in candidates)


def _asked(block: Block, layout: ContextLayout, store: SegmentStore) -> tuple[AskedQuestion, ...]:
    return tuple(
        AskedQuestion(question.number, part, depths, _other(block, i, layout, store))
        for i, (question, part, depths) in enumerate(zip(block, layout.parts, layout.gold_depths, strict=True))
    )


def _other(block: Block, i: int, layout: ContextLayout, store: SegmentStore) -> str:
    """Return the answer of the next question of the block; for a question alone, the first filler."""
    if len(block) > 1:
        return ", ".join(block[(i + 1) % len(block)].gold)
    filler = next((one for one in layout.segment_ids if one not in block[0].segments), None)
    return "" if filler is None else store.text(filler)

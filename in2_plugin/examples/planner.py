"""Plan examples from questions: target length, fillers, order of segments, exact token counts.

An example is a plan: segment ids in reading order, with the ranges of its gold. Invariants: `n_tokens` is exact and
within `lengths`; `n_answer_tokens` includes the end-of-turn token of every answer; an example depends only on its order
and its own random generator, so any process can plan it. Cost: about 2 ms per example of 16K tokens, most of it to
search fillers for answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from in2_plugin.config import Distractors, Lengths, Positions
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import NotEnoughSegments
from in2_plugin.examples.bans import Ban, Bans, Fillers
from in2_plugin.examples.fillers import FillerPool, Ids, fill, target_length
from in2_plugin.examples.positions import Draw, arrange
from in2_plugin.examples.rendering import GoldSpan, Rendered, Renderer, gold_spans
from in2_plugin.examples.template import Turn
from in2_plugin.questions import Part, Question
from in2_plugin.questions.leaks import Forbidden

FILLER_TRIES = 8
"""Attempts to fill a context before an example that misses its length bounds is an error."""
WAITING = 1_024
"""Questions whose bans are kept while examples are drawn: those of the current context, and those that wait for one."""
GENERAL = "general"
MIXED_SHARE = 0.25
"""Share of the contexts with records in which half of the fillers are text, so that records are not always among their
like."""
PROSE_CONTEXTS = 2
"""The corpus must have the tokens of so many contexts of `lengths.max`."""


@dataclass(frozen=True, slots=True)
class PlannedTurn:
    """A question and its answer in an example."""

    kind: str
    form: str
    question: str
    answer: str
    document: int | None
    """None for conversations without a context."""
    segment_ids: tuple[int, ...]
    """Segments of the question."""
    gold: tuple[GoldSpan, ...]
    n_answer_tokens: int
    """Supervised tokens: the answer and its end-of-turn token."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training example, as ids of the segment store."""

    part: str
    segment_ids: Ids
    """(n_segments,) in reading order; empty without a context."""
    turns: tuple[PlannedTurn, ...]
    n_tokens: int
    """Tokens of the whole rendered example."""
    n_answer_tokens: int


@dataclass(frozen=True, slots=True)
class ContextOrder:
    """An example to plan: questions about one context."""

    number: int
    """Seeds its random generator."""
    questions: tuple[Question, ...]
    draw: Draw
    banned: frozenset[int] = field(default_factory=frozenset)
    """Segments that answer one of the questions according to the judge."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """An example without a context."""

    source: str
    turns: tuple[Turn, ...]


Order = ContextOrder | Conversation


class ExamplePlanner:
    """Plans examples from one store. With a memory-mapped pool, its memory does not grow with the store."""

    def __init__(
        self,
        store: SegmentStore,
        renderer: Renderer,
        lengths: Lengths,
        positions: Positions,
        distractors: Distractors,
        seed: int,
        pool: FillerPool | None = None,
    ) -> None:
        """`pool`: fillers from the corpus of this store; computed here if not given."""
        self.store, self._renderer, self._lengths, self._positions = store, renderer, lengths, positions
        self._seed = [seed, *b"example"]
        columns = store.usable, store.n_tokens, store.document
        self._bans = Bans(store, answers=distractors.answer)
        self._ban_of = lru_cache(WAITING)(lambda question: self._bans.of([question]))
        self._corpus = Fillers(pool or FillerPool.of(*columns, store.corpus_segments), self._bans)
        self._records = Fillers(FillerPool.of(*columns, store.record_segments), self._bans)

    def need(self, questions: Sequence[Question]) -> int:
        """Return the tokens of an example without fillers, to within one or two."""
        return self._own_tokens(questions) + self._renderer.overhead(_turns(questions))

    def _own_tokens(self, questions: Sequence[Question]) -> int:
        """Return the tokens of the segments of the questions."""
        return int(self.store.n_tokens[[i for question in questions for i in question.segment_ids]].sum())

    def _fit(self, questions: Sequence[Question]) -> bool:
        """Return True if an example without fillers is not too long. Tokens are counted only if bytes are too many."""
        own, turns, longest = self._own_tokens(questions), _turns(questions), self._lengths.max
        return own + self._renderer.most_overhead(turns) <= longest or own + self._renderer.overhead(turns) <= longest

    def objection(self, question: Question) -> str | None:
        """Return the reason why a question cannot become an example, or None. rejected.parquet stores the reason."""
        if not self._fit([question]):
            return "its segments, question and answer are longer than lengths.max"
        if self._renderer.template.spells_special_token(question.question, question.answer):
            return "it spells a special token of the tokenizer, which would end a turn"
        if not self._renderer.can_spell(question.question, question.answer):
            return "the tokenizer has no token for some of its characters, so the model would learn another answer"
        if question.short_context:
            return self._ambiguity(question)
        free, longest = self._fillers_of(question.part).free_tokens(question), self._lengths.max
        if free < longest and free < longest - self.need([question]):
            return "too little of the corpus may stand beside it for lengths.max"
        return None

    def _ambiguity(self, question: Question) -> str | None:
        """Return an objection if another segment of the document contains a text that the question quotes."""
        quoted = Forbidden(question.exclusive, ())
        others = set(question.segment_ids) - set(question.gold)
        is_ambiguous = any(quoted.found_in(self._bans.folded(i)) for i in others)
        return "another part of its document holds what it quotes" if is_ambiguous else None

    def _fillers_of(self, part: Part) -> Fillers:
        """Return the fillers of a part: records are among records, text among text."""
        return self._records if part is Part.RECORDS else self._corpus

    @cached_property
    def _has_prose(self) -> bool:
        """True if the corpus is large enough for half of any context."""
        return int(self._corpus.pool.n_tokens.sum(dtype=np.int64)) > PROSE_CONTEXTS * self._lengths.max

    def _fill(
        self, part: Part, mixed: bool, budget: int, documents: frozenset[int], ban: Ban, rng: np.random.Generator
    ) -> list[int]:
        """Return fillers for `budget` tokens; half of them from the corpus if `mixed`."""
        prose = fill(self._corpus.pool, budget // 2, documents, ban, rng) if mixed else []
        left = budget - int(self.store.n_tokens[prose].sum())
        return [*prose, *fill(self._fillers_of(part).pool, left, documents, ban, rng)]

    def go_together(self, questions: Sequence[Question], another: Question) -> bool:
        """Return True if a question may share a context with others: no segment of one answers another."""
        if any(question.document == another.document for question in questions):
            return False
        if not self._fit([*questions, another]):
            return False
        ban = self._ban_of(another)
        return not any(
            any(map(ban, question.segment_ids)) or any(map(self._ban_of(question), another.segment_ids))
            for question in questions
        )

    def plan(self, order: Order) -> Example:
        """Plan one example.

        Raises:
            NotEnoughSegments: the corpus has too few allowed fillers, or the context has too few places for its golds.
        """
        if isinstance(order, Conversation):
            return self._converse(order)
        if order.questions[0].short_context:
            (question,) = order.questions
            ids = np.array(question.segment_ids, np.uint32)
            return self._example(order.questions, ids, self._renderer.render(ids, _turns(order.questions)))
        return self._plan_long(order)

    def _converse(self, order: Conversation) -> Example:
        rendered = self._renderer.render((), order.turns)
        turns = tuple(
            PlannedTurn("instruction", order.source, question, answer, None, (), (), stop - start)
            for (question, answer), (start, stop) in zip(order.turns, rendered.answers, strict=True)
        )
        return _example_of(GENERAL, np.zeros(0, np.uint32), turns, rendered)

    def _plan_long(self, order: ContextOrder) -> Example:
        rng = np.random.default_rng([*self._seed, order.number])
        questions, lengths = order.questions, self._lengths
        need = self.need(questions)
        target = target_length(need, lengths.min, lengths.max, order.draw.length)
        budget = target - need
        documents = frozenset(question.document for question in questions)
        ban = self._bans.of(questions, order.banned)
        golds = [i for question in questions for i in sorted(question.gold)]  # the order that the audit assumes
        own = [i for question in questions for i in question.segment_ids if i not in question.gold]
        part = questions[0].part
        mixed = part is Part.RECORDS and self._has_prose and rng.random() < MIXED_SHARE
        for tried in range(FILLER_TRIES):
            fillers = self._fill(part, mixed, budget, documents, ban, rng)
            ids = arrange(golds, [*own, *fillers], order.draw, self._positions, rng)
            rendered = self._renderer.render(ids, _turns(questions))
            n_tokens = len(rendered.input_ids)
            if lengths.min <= n_tokens <= lengths.max:
                return self._example(questions, ids, rendered)
            # the last segment shifts the count by a token or two, and a small gap may be shorter than any filler:
            # retry with a target on the other side, farther each time
            budget += (target - n_tokens) * 2**tried
        raise NotEnoughSegments(
            f"no filler makes an example of {target:,} tokens (lengths {lengths.min:,} to "
            f"{lengths.max:,}); add text to the corpus or widen `lengths`"
        )

    def _example(self, questions: Sequence[Question], ids: Ids, rendered: Rendered) -> Example:
        turns = tuple(
            PlannedTurn(
                question.kind, question.form, question.question, question.answer, question.document,
                question.segment_ids, gold_spans(rendered, ids.tolist(), question.gold), stop - start,
            )
            for question, (start, stop) in zip(questions, rendered.answers, strict=True)
        )  # fmt: skip
        return _example_of(questions[0].part, ids, turns, rendered)


def _turns(questions: Sequence[Question]) -> list[Turn]:
    return [(question.question, question.answer) for question in questions]


def _example_of(part: str, ids: Ids, turns: tuple[PlannedTurn, ...], rendered: Rendered) -> Example:
    return Example(part, ids, turns, len(rendered.input_ids), sum(turn.n_answer_tokens for turn in turns))

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
from in2_plugin.examples.fillers import FillerPool, Ids, fill, target_length
from in2_plugin.examples.positions import Draw, arrange
from in2_plugin.examples.rendering import GoldSpan, Rendered, Renderer, gold_spans
from in2_plugin.examples.template import Turn
from in2_plugin.questions import Part, Question
from in2_plugin.questions.leaks import Forbidden

FILLER_TRIES = 8
"""Attempts to fill a context before an example that misses its length bounds is an error."""
CACHED_TEXTS = 65_536
SAMPLE = 1_024
"""Maximum number of segments sampled to estimate how many fillers a question allows."""
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
        self.store, self._renderer, self._lengths, self._distractors = store, renderer, lengths, distractors
        self._positions = positions
        self._seed = [seed, *b"example"]
        columns = store.usable, store.n_tokens, store.document
        corpus = pool or FillerPool.of(*columns, store.corpus_segments)
        records = FillerPool.of(*columns, store.record_segments)
        self._corpus, self._records = ((pool, pool.sample(SAMPLE)) for pool in (corpus, records))
        self._folded = lru_cache(CACHED_TEXTS)(lambda segment: store.text(segment).casefold())

    def need(self, questions: Sequence[Question]) -> int:
        """Return the tokens of an example without fillers, to within one or two."""
        own = [i for question in questions for i in question.segment_ids]
        return int(self.store.n_tokens[own].sum()) + self._renderer.overhead(_turns(questions))

    def objection(self, question: Question) -> str | None:
        """Return the reason why a question cannot become an example, or None. rejected.parquet stores the reason."""
        room = self._lengths.max - self.need([question])
        if room < 0:
            return "its segments, question and answer are longer than lengths.max"
        if self._renderer.template.spells_special_token(question.question, question.answer):
            return "it spells a special token of the tokenizer, which would end a turn"
        if not self._renderer.can_spell(question.question, question.answer):
            return "the tokenizer has no token for some of its characters, so the model would learn another answer"
        if question.short_context:
            return self._ambiguity(question)
        if self._free_tokens(question) < room:
            return "too little of the corpus may stand beside it for lengths.max"
        return None

    def _ambiguity(self, question: Question) -> str | None:
        """Return an objection if another segment of the document contains a text that the question quotes."""
        quoted = Forbidden(question.exclusive, ())
        others = set(question.segment_ids) - set(question.gold)
        is_ambiguous = any(quoted.found_in(self._folded(i)) for i in others)
        return "another part of its document holds what it quotes" if is_ambiguous else None

    def _free_tokens(self, question: Question) -> float:
        """Return the tokens of all allowed fillers of a question, estimated from a sample in a large corpus."""
        pool, sample = self._fillers_of(question.part)
        others, ban = sample.document != question.document, self._ban([question], frozenset())
        beside = zip(sample.ids[others].tolist(), sample.n_tokens[others].tolist(), strict=True)
        free: list[int] = [n_tokens for segment, n_tokens in beside if not ban(segment)]
        # minus two long segments: the last fillers are selected among those that fit
        return sum(free) * len(pool.ids) / max(1, len(sample.ids)) - 2 * pool.common_lengths[1]

    def _fillers_of(self, part: Part) -> tuple[FillerPool, FillerPool]:
        """Return the fillers of a part, and a sample of them: records are among records, text among text."""
        return self._records if part is Part.RECORDS else self._corpus

    @cached_property
    def _has_prose(self) -> bool:
        """True if the corpus is large enough for half of any context."""
        return int(self._corpus[0].n_tokens.sum(dtype=np.int64)) > PROSE_CONTEXTS * self._lengths.max

    def _fill(
        self, part: Part, mixed: bool, budget: int, documents: frozenset[int], ban: "_Ban", rng: np.random.Generator
    ) -> list[int]:
        """Return fillers for `budget` tokens; half of them from the corpus if `mixed`."""
        prose = fill(self._corpus[0], budget // 2, documents, ban, rng) if mixed else []
        left = budget - int(self.store.n_tokens[prose].sum())
        return [*prose, *fill(self._fillers_of(part)[0], left, documents, ban, rng)]

    def go_together(self, questions: Sequence[Question], another: Question) -> bool:
        """Return True if a question may share a context with others: no segment of one answers another."""
        if any(question.document == another.document for question in questions):
            return False
        ban, theirs = self._ban([another], frozenset()), self._ban(questions, frozenset())
        return (
            not any(ban(i) for question in questions for i in question.segment_ids)
            and not any(map(theirs, another.segment_ids))
            and self.need([*questions, another]) <= self._lengths.max
        )

    def _ban(self, questions: Sequence[Question], banned: frozenset[int]) -> "_Ban":
        """Return a predicate for segments that are not allowed next to the questions."""
        quotes = [text for question in questions for text in question.exclusive]
        answers = [question.answer for question in questions] if self._distractors.answer else []
        golds = {i for question in questions for i in question.gold}
        repeats = self.store.repeats_in_use
        return _Ban(Forbidden(quotes, answers), banned, {repeats.get(i, i) for i in golds}, self)

    def folded(self, segment: int) -> str:
        """Return the case-folded text of a segment."""
        return self._folded(segment)

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
        ban = self._ban(questions, order.banned)
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


@dataclass(frozen=True, slots=True)
class _Ban:
    """Predicate for segments that are not allowed next to some questions."""

    forbidden: Forbidden
    banned: frozenset[int]
    golds: set[int]
    """Gold segments, each replaced by the segment that it repeats, if any."""
    planner: ExamplePlanner

    def __call__(self, segment: int) -> bool:
        return (
            segment in self.banned
            or self.planner.store.repeats_in_use.get(segment, segment) in self.golds
            or self.forbidden.found_in(self.planner.folded(segment)) is not None
        )


def _turns(questions: Sequence[Question]) -> list[Turn]:
    return [(question.question, question.answer) for question in questions]


def _example_of(part: str, ids: Ids, turns: tuple[PlannedTurn, ...], rendered: Rendered) -> Example:
    return Example(part, ids, turns, len(rendered.input_ids), sum(turn.n_answer_tokens for turn in turns))

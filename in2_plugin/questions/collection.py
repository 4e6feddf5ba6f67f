"""Collect the questions that a mixture asks for: passages in random order, until there are enough.

Invariant: which passage comes n-th depends on the seed and the store alone, so that a longer run asks the same
passages first. Every rejection is kept with its reason; a shortfall is an error that says how many are missing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import NotEnoughQuestions
from in2_plugin.questions.question import Kind, Passage, Question, QuestionWriter, Rejection

MAX_DRAWS = 8
"""Times that a passage is offered at most; a small corpus gives several questions a segment."""


@dataclass(frozen=True, slots=True)
class Collected:
    """Questions of one kind, and what was turned down on the way."""

    questions: list[Question]
    rejections: list[Rejection]


def passages(store: SegmentStore, kind: Kind, max_tokens: int, rng: np.random.Generator) -> Iterator[Passage]:
    """Every passage of a kind in random order, then all of them again, `MAX_DRAWS` times in all.

    A fine-grained passage is a usable segment; an integration passage is a document of two or more segments, all
    usable, of at most `max_tokens` tokens together.
    """
    draw_all = _segments if kind is Kind.FINE_GRAINED else _documents
    for draw in range(MAX_DRAWS):
        yield from draw_all(store, max_tokens, rng, draw)


def _segments(store: SegmentStore, max_tokens: int, rng: np.random.Generator, draw: int) -> Iterator[Passage]:
    fitting = np.flatnonzero(store.usable & (store.n_tokens <= max_tokens)).astype(np.uint32)
    for segment in map(int, rng.permutation(fitting)):
        document = int(store.document[segment])
        yield Passage(Kind.FINE_GRAINED, document, (segment,), (store.text(segment),), draw)


def _documents(store: SegmentStore, max_tokens: int, rng: np.random.Generator, draw: int) -> Iterator[Passage]:
    n_documents = store.facts.documents
    tokens = np.bincount(store.document, weights=store.n_tokens, minlength=n_documents)
    unusable = np.bincount(store.document, weights=~store.usable, minlength=n_documents)
    fitting = np.flatnonzero((tokens <= max_tokens) & (unusable == 0) & (np.asarray(store.documents["n_segments"]) > 1))
    for document in map(int, rng.permutation(fitting.astype(np.uint32))):
        ids = tuple(store.segments_of(document))
        yield Passage(Kind.INTEGRATION, document, ids, tuple(store.texts(ids)), draw)


def collect(
    writer: QuestionWriter,
    offered: Iterator[Passage],
    kind: Kind,
    wanted: int,
    objection: Callable[[Question], str | None],
    on_question: Callable[[], None],
) -> Collected:
    """Have `writer` write until there are `wanted` different questions that nobody objects to.

    Args:
        objection: a reason to turn a written question down, or None.
        on_question: called for each question that is kept, for progress.

    Raises:
        NotEnoughQuestions: the passages ran out first; says how many are missing and the commonest reason.
    """
    questions: list[Question] = []
    rejections: list[Rejection] = []
    asked: set[str] = set()
    results = writer.write(offered) if wanted else iter(())
    for result in results:
        if isinstance(result, Rejection):
            rejections.append(result)
        elif reason := "the same question was written before" if result.question in asked else objection(result):
            rejections.append(Rejection(_passage_of(result), reason))
        else:
            asked.add(result.question)
            questions.append(result)
            on_question()
            if len(questions) == wanted:
                return Collected(questions, rejections)
    if len(questions) < wanted:
        raise NotEnoughQuestions(_shortfall(kind, wanted, questions, rejections))
    return Collected(questions, rejections)


def _passage_of(question: Question) -> Passage:
    return Passage(question.kind, question.document, question.segment_ids, (), draw=0)


def _shortfall(kind: Kind, wanted: int, questions: list[Question], rejections: list[Rejection]) -> str:
    reasons = Counter(rejection.reason for rejection in rejections).most_common(1)
    why = f" (most often because {reasons[0][0]}: {reasons[0][1]:,} times)" if reasons else ""
    return (
        f"mixture.{kind} asks for {wanted:,} questions, but the corpus gave {len(questions):,}, "
        f"{wanted - len(questions):,} too few{why}; add text or lower mixture.{kind}"
    )

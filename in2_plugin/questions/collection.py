"""Collect the questions that a mixture asks for: passages in random order, until there are enough.

Invariant: which passage comes n-th depends on the seed and the store alone, so that a longer run asks the same
passages first. Memory grows by 100 bytes a question. Every rejection is handed on with its reason; a
shortfall is an error that says how many are missing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import blake2b

import numpy as np

from in2_plugin.config import Lengths
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import NotEnoughQuestions
from in2_plugin.questions.question import Kind, Passage, Question, QuestionWriter, Rejection

MAX_DRAWS = 8
"""Times that a passage is offered at most; a small corpus gives several questions a segment."""


def passages(store: SegmentStore, kind: Kind, lengths: Lengths, rng: np.random.Generator) -> Iterator[Passage]:
    """Every passage of a kind in random order, then all of them again, `MAX_DRAWS` times in all.

    A fine-grained passage is a usable segment. An integration passage is a document of two or more segments (paper,
    equation 2); of a document that is longer than `lengths.max` it is a random run of its segments, of two or more
    and at most half of `lengths.min` tokens, and it is offered as often as `lengths.max` goes into it. Segments that
    may not be used break a run.
    """
    draw_all = _segments if kind is Kind.FINE_GRAINED else _documents
    for draw in range(MAX_DRAWS):
        yield from draw_all(store, lengths, rng, draw)


def _segments(store: SegmentStore, lengths: Lengths, rng: np.random.Generator, draw: int) -> Iterator[Passage]:
    fitting = np.flatnonzero(store.usable & (store.n_tokens <= lengths.max)).astype(np.uint32)
    for segment in map(int, rng.permutation(fitting)):
        document = int(store.document[segment])
        yield Passage(Kind.FINE_GRAINED, document, (segment,), (store.text(segment),), draw)


def _documents(store: SegmentStore, lengths: Lengths, rng: np.random.Generator, draw: int) -> Iterator[Passage]:
    tokens = np.bincount(store.document, weights=store.n_tokens, minlength=store.facts.documents)
    several = np.flatnonzero(np.asarray(store.documents["n_segments"]) > 1)
    # a book counts as the many texts that could be cut from it
    times = np.maximum(1, tokens[several] // lengths.max).astype(np.int64)
    for document in map(int, rng.permutation(np.repeat(several, times).astype(np.uint32))):
        ids = _whole_or_run(store, document, lengths, rng)
        if len(ids) > 1:
            yield Passage(Kind.INTEGRATION, document, tuple(ids), tuple(store.texts(ids)), draw)


def _whole_or_run(store: SegmentStore, document: int, lengths: Lengths, rng: np.random.Generator) -> range:
    """Segments of a document that go into one context: all, or a random run of a long or partly unusable one."""
    own = store.segments_of(document)
    usable, tokens = store.usable[own.start : own.stop], store.n_tokens[own.start : own.stop]
    if usable.all() and tokens.sum() <= lengths.max:
        return own
    first = last = int(rng.integers(len(own)))
    total = 0
    while last < len(own) and usable[last] and (last - first < 2 or total + tokens[last] <= lengths.min // 2):
        total += int(tokens[last])
        last += 1
    return own[first:last] if total <= lengths.max else range(0)


def collect(
    writer: QuestionWriter,
    offered: Iterator[Passage],
    kind: Kind,
    wanted: int,
    objection: Callable[[Question], str | None],
    keep: Callable[[Question], None],
    turn_down: Callable[[Rejection], None],
) -> None:
    """Have `writer` write until there are `wanted` different questions that nobody objects to.

    Args:
        objection: a reason to turn a written question down, or None.
        keep: called with each question, in order.
        turn_down: called with each rejection, in order.

    Raises:
        NotEnoughQuestions: the passages ran out first; says how many are missing and the commonest reason.
    """
    if not wanted:
        return
    kept = 0
    asked: set[bytes] = set()
    reasons: Counter[str] = Counter()
    with closing(writer.write(offered, lambda: wanted - kept)) as results:
        for result in results:
            rejection = result if isinstance(result, Rejection) else None
            if isinstance(result, Question):
                digest = blake2b(result.question.encode(), digest_size=12).digest()
                reason = "the same question was written before" if digest in asked else objection(result)
                if reason:
                    rejection = _rejected(result, reason)
                else:
                    asked.add(digest)
                    kept += 1
                    keep(result)
            if rejection:
                reasons[rejection.reason] += 1
                turn_down(rejection)
            if kept == wanted:
                return
    raise NotEnoughQuestions(_shortfall(kind, wanted, kept, reasons))


def _rejected(question: Question, reason: str) -> Rejection:
    passage = Passage(question.kind, question.document, question.segment_ids, (), draw=0)
    said = question.question, question.answer, question.writer, question.request
    return Rejection(passage, reason, *said)


def _shortfall(kind: Kind, wanted: int, kept: int, reasons: Counter[str]) -> str:
    commonest = reasons.most_common(1)
    why = f" (most often because {commonest[0][0]}: {commonest[0][1]:,} times)" if commonest else ""
    return (
        f"mixture.{kind} asks for {wanted:,} questions, but the corpus gave {kept:,}, "
        f"{wanted - kept:,} too few{why}; add text or lower mixture.{kind}"
    )

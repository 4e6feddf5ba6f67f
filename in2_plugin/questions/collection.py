"""Collect the questions that a mixture asks for: draw passages in random order until there are enough.

Invariant: the n-th passage depends only on the seed and the store, so a longer run asks about the same passages first.
Every rejection is passed on with its reason; a shortfall is an error that says how many questions are missing. Cost:
100 bytes of memory per question.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from in2_plugin.config import Lengths
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import SpendingStopped
from in2_plugin.questions.question import Kind, Part, Passage, Question, QuestionWriter, Rejection
from in2_plugin.questions.yield_check import YieldCheck

REPEATED = "the same question was written before"
"""Reason of a rejection."""
MAX_DRAWS = 8
"""Maximum draws per passage; a small corpus gives several questions per segment."""


@dataclass(frozen=True, slots=True)
class Collected:
    """Outcome of collecting the questions of a part."""

    kept: int
    reasons: Counter[str]
    """Number of rejections by reason."""


def passages(
    store: SegmentStore,
    kind: Kind,
    lengths: Lengths,
    rng: np.random.Generator,
    *,
    with_texts: bool = True,
    records: bool = False,
) -> Iterator[Passage]:
    """Yield the passages of a kind for long contexts in random order, `MAX_DRAWS` times each.

    A fine-grained passage is a usable segment. An integration passage is a document of two or more segments (paper,
    equation 2). A document longer than `lengths.max` gives random runs of its segments instead, of at least two
    segments and at most half of `lengths.min` tokens, as many per draw as `lengths.max` fits into the document.
    Unusable segments break a run. The random order covers all segments, so excluding some later does not change the
    order of the others.

    Args:
        with_texts: read the texts of the segments; False leaves them to the worker that writes the question.
        records: yield passages of invented records instead of those of the corpus.
    """
    draw_all = _segments if kind is Kind.FINE_GRAINED else _documents
    within = store.record_segments if records else store.corpus_segments
    for draw in range(MAX_DRAWS):
        for passage in draw_all(store, within, lengths, rng, draw):
            yield replace(passage, texts=tuple(store.texts(passage.segment_ids))) if with_texts else passage


def short_passages(
    store: SegmentStore, kind: Kind, lengths: Lengths, rng: np.random.Generator, *, with_texts: bool = True
) -> Iterator[Passage]:
    """Yield the passages whose context is their whole document, without fillers.

    These are documents of at most `lengths.max` tokens whose segments are all usable. They count as further draws, so
    that a writer does not send the same request as for long contexts.
    """
    whole = np.bincount(store.document, weights=store.n_tokens, minlength=store.facts.documents) <= lengths.max
    whole[store.document[~store.usable]] = False
    for passage in passages(store, kind, lengths, rng, with_texts=with_texts):
        if whole[passage.document]:
            own = tuple(store.segments_of(passage.document))
            yield replace(passage, draw=passage.draw + MAX_DRAWS, whole=own)


def _segments(
    store: SegmentStore, within: range, lengths: Lengths, rng: np.random.Generator, draw: int
) -> Iterator[Passage]:
    fitting = store.usable & (store.n_tokens <= lengths.max)
    order = rng.permutation(np.arange(within.start, within.stop, dtype=np.uint32))
    for segment in map(int, order[fitting[order]]):
        document = int(store.document[segment])
        yield Passage(Kind.FINE_GRAINED, document, (segment,), (), draw)


def _documents(
    store: SegmentStore, within: range, lengths: Lengths, rng: np.random.Generator, draw: int
) -> Iterator[Passage]:
    tokens = np.bincount(store.document, weights=store.n_tokens, minlength=store.facts.documents)
    first = np.asarray(store.documents["first_segment"])
    is_within = (first >= within.start) & (first < within.stop)
    several = np.flatnonzero(is_within & (np.asarray(store.documents["n_segments"]) > 1))
    # a book counts as many times as a context fits into it
    times = np.maximum(1, tokens[several] // lengths.max).astype(np.int64)
    for document in map(int, rng.permutation(np.repeat(several, times).astype(np.uint32))):
        ids = _whole_or_run(store, document, lengths, rng.random())
        if len(ids) > 1:
            yield Passage(Kind.INTEGRATION, document, tuple(ids), (), draw)


def _whole_or_run(store: SegmentStore, document: int, lengths: Lengths, chance: float) -> range:
    """Return the segments of a document for one context: all, or a random run of a long or partly unusable one."""
    own = store.segments_of(document)
    usable, tokens = store.usable[own.start : own.stop], store.n_tokens[own.start : own.stop]
    if usable.all() and tokens.sum() <= lengths.max:
        return own
    first = last = int(chance * len(own))
    total = 0
    while last < len(own) and usable[last] and (last - first < 2 or total + tokens[last] <= lengths.min // 2):
        total += int(tokens[last])
        last += 1
    return own[first:last] if total <= lengths.max else range(0)


def collect(
    writer: QuestionWriter,
    passages: Iterator[Passage],
    wanted: int,
    asked: set[bytes],
    objection: Callable[[Question], str | None],
    keep: Callable[[Question], None],
    reject: Callable[[Rejection], None],
    yield_check: YieldCheck | None = None,
) -> Collected:
    """Have `writer` write until there are `wanted` distinct, accepted questions, or no more passages.

    Passages that give too few new questions because most are repeated count as the end of the passages.

    Args:
        asked: digests of all questions so far, of this and other parts; new ones are added.
        objection: returns a reason to reject a question, or None.
        keep: called with each accepted question, in order.
        reject: called with each rejection, in order.
        yield_check: sees every result; None for a writer that costs nothing.

    Raises:
        SpendingStopped: too few passages give a question, or a limit is reached.
        EndpointError, WorkLogError: the writer cannot go on.
    """
    kept = 0
    reasons: Counter[str] = Counter()
    if not wanted:
        return Collected(0, reasons)
    with closing(writer.write(passages, lambda: wanted - kept)) as results:
        for result in results:
            rejection = result if isinstance(result, Rejection) else None
            if isinstance(result, Question):
                normalized = " ".join(result.question.casefold().split())
                digest = blake2b(normalized.encode(), digest_size=12).digest()
                reason = REPEATED if digest in asked else objection(result)
                if reason:
                    rejection = rejected(result, reason)
                else:
                    asked.add(digest)
                    kept += 1
                    keep(result)
            if rejection:
                reasons[rejection.reason] += 1
                reject(rejection)
            if yield_check:
                try:
                    yield_check.record(result, rejection)
                except SpendingStopped:
                    if kept and yield_check.commonest_reason() == REPEATED:
                        break  # the corpus is exhausted, and the model works
                    raise
            if kept == wanted:
                break
    return Collected(kept, reasons)


def rejected(question: Question, reason: str) -> Rejection:
    """Return the rejection of a written question."""
    passage = Passage(question.kind, question.document, question.segment_ids, (), draw=0)
    return Rejection(passage, reason, question.question, question.answer, question.writer, question.request)


def shortfall(part: Part, wanted: int, collected: Collected) -> str:
    """Return the error message for a corpus that gives too few questions."""
    commonest = collected.reasons.most_common(1)
    why = f" (most often because {commonest[0][0]}: {commonest[0][1]:,} times)" if commonest else ""
    is_invented = part is Part.RECORDS
    return (
        f"mixture.{part} asks for {wanted:,} questions, but the {'invented records' if is_invented else 'corpus'} gave "
        f"{collected.kept:,}, {wanted - collected.kept:,} too few{why}; "
        f"{'raise `corpus.segment_tokens`' if is_invented else 'add text'}, lower `mixture.{part}`, or set "
        "`mixture.shortfall: rescale`"
    )

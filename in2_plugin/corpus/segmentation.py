"""Cut a document into segments: Algorithm 1 of the paper (Appendix D), and our refinement of it.

A segment is a pair of character offsets, so its text is always a slice of the document and never decoded from ids.
Lines are collected until their token counts add up to `segment_tokens`; the remainder joins the last segment.
Unless `paper_exact`, long lines are cut first, so that every segment has fewer than 4 x `segment_tokens` tokens.
Cost: one batch of token counts per document, and up to four smaller batches for the parts of its long lines.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from in2_plugin.corpus.sentences import is_character_boundary, sentence_spans, spans_between, stripped

CountTokens = Callable[[list[str]], list[int]]

MAX_PIECE = 2
"""No piece is longer than this many times `segment_tokens`; a segment then stays below twice as much."""

_CLAUSE_END = re.compile(r"""[,;:)\]—–،؛](?=\s)|[，、；：］）」』”]+|(?<=\s)[—–-](?=\s)""")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class SegmentSpan:
    """Characters [start, stop) of a document."""

    start: int
    stop: int
    n_tokens: int
    """As Algorithm 1 counts: the sum over its pieces, without the whitespace between them."""


def segment(text: str, count_tokens: CountTokens, segment_tokens: int, paper_exact: bool) -> list[SegmentSpan]:
    """Cut `text` into segments of at least `segment_tokens` tokens (paper, Algorithm 1).

    Segments are in reading order and do not overlap. They neither start nor end with whitespace, and together they
    leave out only whitespace. A text with fewer than `segment_tokens` tokens is one segment; whitespace alone is none.

    Args:
        count_tokens: returns the number of tokens of each string of a batch.
        segment_tokens: the length at which a segment is complete.
        paper_exact: keep lines whole, whatever their length. Otherwise a line longer than `segment_tokens` is
            replaced by its sentences, and a sentence longer than twice that by clauses, words or runs of characters.
            Then `n_tokens` < 4 x `segment_tokens` if `segment_tokens` is at least 64 and the tokenizer has at most one
            token per byte; with fewer, a single user-perceived character may be longer.
    """
    pieces = _counted(text, _lines(text), count_tokens)
    if not paper_exact:
        pieces = _refine(text, pieces, count_tokens, segment_tokens)
    return _gather(pieces, segment_tokens)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield non-blank lines without the whitespace at their ends."""
    start = 0
    for line in text.split("\n"):
        span = stripped(text, start, start + len(line))
        if span[0] < span[1]:
            yield span
        start += len(line) + 1


def _counted(text: str, spans: Iterable[tuple[int, int]], count_tokens: CountTokens) -> list[SegmentSpan]:
    found = list(spans)
    if not found:
        return []
    counts = count_tokens([text[start:stop] for start, stop in found])
    return [SegmentSpan(start, stop, n) for (start, stop), n in zip(found, counts, strict=True)]


def _gather(pieces: list[SegmentSpan], segment_tokens: int) -> list[SegmentSpan]:
    """Collect pieces into segments: steps 2 and 3 of Algorithm 1."""
    segments: list[SegmentSpan] = []
    buffer: list[SegmentSpan] = []
    running = 0
    for piece in pieces:
        buffer.append(piece)
        running += piece.n_tokens
        if running >= segment_tokens:
            segments.append(_joined(buffer))
            buffer, running = [], 0
    if buffer:
        last = [segments.pop()] if segments else []
        segments.append(_joined(last + buffer))
    return segments


def _joined(pieces: list[SegmentSpan]) -> SegmentSpan:
    return SegmentSpan(pieces[0].start, pieces[-1].stop, sum(piece.n_tokens for piece in pieces))


def _refine(text: str, pieces: list[SegmentSpan], count_tokens: CountTokens, segment_tokens: int) -> list[SegmentSpan]:
    """Replace long pieces by ever smaller parts until none has more than MAX_PIECE * segment_tokens."""

    def cut(limit: int, cutter: Callable[[SegmentSpan], list[tuple[int, int]]]) -> bool:
        nonlocal pieces
        before = len(pieces)
        pieces = _replace(text, pieces, limit, cutter, count_tokens)
        return len(pieces) > before

    longest = MAX_PIECE * segment_tokens
    cut(segment_tokens, lambda piece: _sentences(text, piece))
    cut(longest, lambda piece: _after(text, piece, _CLAUSE_END))
    cut(longest, lambda piece: _after(text, piece, _SPACE))
    while cut(longest, lambda piece: _equal_runs(text, piece, segment_tokens)):
        pass
    return pieces


def _replace(
    text: str,
    pieces: list[SegmentSpan],
    limit: int,
    cutter: Callable[[SegmentSpan], list[tuple[int, int]]],
    count_tokens: CountTokens,
) -> list[SegmentSpan]:
    """Replace each piece with more than `limit` tokens by the parts that `cutter` makes of it."""
    parts = [cutter(piece) if piece.n_tokens > limit else [] for piece in pieces]
    # a single part means that nothing was cut: the piece keeps its count
    divided = [found if len(found) > 1 else [] for found in parts]
    counted = iter(_counted(text, (span for found in divided for span in found), count_tokens))
    return [
        part
        for piece, found in zip(pieces, divided, strict=True)
        for part in ([next(counted) for _ in found] if found else [piece])
    ]


def _sentences(text: str, piece: SegmentSpan) -> list[tuple[int, int]]:
    spans = sentence_spans(text[piece.start : piece.stop])
    return [(piece.start + start, piece.start + stop) for start, stop in spans]


def _after(text: str, piece: SegmentSpan, delimiter: re.Pattern[str]) -> list[tuple[int, int]]:
    """Cut after every match of `delimiter`."""
    cuts = (match.end() for match in delimiter.finditer(text, piece.start, piece.stop))
    return spans_between(text, cuts, piece.start, piece.stop)


def _equal_runs(text: str, piece: SegmentSpan, segment_tokens: int) -> list[tuple[int, int]]:
    """Return equal runs of about `segment_tokens` tokens, their ends moved to character boundaries."""
    n_parts = -(-piece.n_tokens // segment_tokens)
    cuts = [piece.start]
    for i in range(1, n_parts):
        at = max(piece.start + (piece.stop - piece.start) * i // n_parts, cuts[-1] + 1)
        while at < piece.stop and not is_character_boundary(text, at):
            at += 1
        if at >= piece.stop:
            break
        cuts.append(at)
    return spans_between(text, cuts, piece.start, piece.stop)

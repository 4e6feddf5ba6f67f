"""Cut documents into segments with their token ids: a pure function that one worker runs over one chunk.

Invariant: the result depends only on the chunk and the tokenizer, not on what the process cut before. Cost: a little
more than tokenizing the text once. Memory: that of the chunk, because segments are short.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from in2_plugin.corpus.segmentation import segment
from in2_plugin.corpus.splicing import JoinSafety, anchored_ids
from in2_plugin.corpus.store import SegmentStatus
from in2_plugin.corpus.token_counts import WordCounts, is_additive
from in2_plugin.corpus.tokenizer import TextTokenizer

CHUNK_CHARACTERS = 1 << 20
SAMPLED_LINES = 2_000
"""Lines of the first chunk for which word counts are compared with the tokenizer's counts."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The segments of several documents, in order."""

    n_segments: npt.NDArray[np.int64]
    """(n_documents,)"""
    spans: npt.NDArray[np.int64]
    """(n_segments, 2) characters [start, stop) in the segment's document."""
    texts: Sequence[str] | pa.Array
    """(n_segments,)"""
    ids: npt.NDArray[np.uint32]
    """(n_tokens,) ids of all segments, each with its separator."""
    n_tokens: npt.NDArray[np.int64]
    """(n_segments,)"""
    standings: npt.NDArray[np.uint8]
    """(n_segments,)"""


class HasText(Protocol):
    """A document of any source."""

    @property
    def text(self) -> str:
        """The whole text."""


Text = TypeVar("Text", bound=HasText)


def chunks(documents: Iterable[Text]) -> Iterator[list[Text]]:
    """Yield documents in chunks of about CHUNK_CHARACTERS; a larger document is a chunk of its own."""
    chunk: list[Text] = []
    size = 0
    for document in documents:
        chunk.append(document)
        size += len(document.text)
        if size >= CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def counts_by_words(tokenizer: TextTokenizer, documents: Sequence[HasText]) -> bool:
    """Check, on lines of these documents, that a line has as many tokens as its words together."""
    lines = (line.strip() for document in documents for line in document.text.split("\n"))
    sample = [line for line in lines if line][:SAMPLED_LINES]
    return is_additive(tokenizer, sample)


class Cutter:
    """Cuts chunks of documents, in this process or in a worker."""

    def __init__(self, tokenizer: TextTokenizer, segment_tokens: int, paper_exact: bool, by_words: bool) -> None:
        self._settings = tokenizer, segment_tokens, paper_exact, by_words
        self._tokenizer, self._segment_tokens, self._paper_exact = tokenizer, segment_tokens, paper_exact
        self._count = WordCounts(tokenizer).of if by_words and not paper_exact else tokenizer.count
        self._join = JoinSafety(tokenizer)

    def __reduce__(self) -> tuple[type["Cutter"], tuple[TextTokenizer, int, bool, bool]]:
        return Cutter, self._settings

    def fingerprint(self) -> str:
        """Return a text that changes if documents would be cut differently."""
        tokenizer, *settings = self._settings
        return f"{tokenizer.fingerprint()} {settings}"

    def __call__(self, documents: Sequence[str]) -> Cut:
        spans, texts, numbers = [], [], []
        for document in documents:
            found = segment(document, self._count, self._segment_tokens, self._paper_exact)
            spans += [(span.start, span.stop) for span in found]
            texts += [document[span.start : span.stop] for span in found]
            numbers.append(len(found))
        return self._cut(numbers, spans, texts)

    def whole(self, documents: Sequence[Sequence[str]]) -> Cut:
        """Return documents that consist of these segments, whatever their lengths, as if joined by a line break."""
        spans = []
        for segments in documents:
            ends = np.cumsum([len(text) + 1 for text in segments]) - 1
            spans += [(end - len(text), end) for text, end in zip(segments, ends.tolist(), strict=True)]
        return self._cut(list(map(len, documents)), spans, [text for segments in documents for text in segments])

    def _cut(self, numbers: Sequence[int], spans: Sequence[tuple[int, int]], texts: Sequence[str]) -> Cut:
        ids = anchored_ids(self._tokenizer, texts)
        return Cut(
            n_segments=np.array(numbers, np.int64),
            spans=np.array(spans, np.int64).reshape(-1, 2),
            texts=texts,
            ids=np.array([token for one in ids for token in one], self._tokenizer.id_type),
            n_tokens=np.array([len(one) for one in ids], np.int64),
            standings=np.fromiter(self._judge(texts), np.uint8, len(texts)),
        )

    def _judge(self, texts: Sequence[str]) -> Iterator[SegmentStatus]:
        for text, safe in zip(texts, self._join.safe(texts), strict=True):
            if self._tokenizer.has_special_token(text):
                yield SegmentStatus.SPELLS_SPECIAL_TOKEN
            else:
                yield SegmentStatus.USABLE if safe else SegmentStatus.DEPENDS_ON_NEIGHBOUR

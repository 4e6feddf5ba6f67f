"""From documents to segments with their token ids: the pure function that one worker runs over one chunk.

Invariant: the result depends on the chunk and the tokenizer alone, whatever was cut before in the same process. Cost: a
little more than tokenising the text once; segments are short enough that memory is that of the chunk.
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
"""Lines of the first chunk on which counts by words are compared with the tokenizer's."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The segments of some documents, in order."""

    n_segments: npt.NDArray[np.int64]
    """(n_documents,)"""
    spans: npt.NDArray[np.int64]
    """(n_segments, 2) characters [start, stop) of its document."""
    texts: Sequence[str] | pa.Array
    """(n_segments,)"""
    ids: npt.NDArray[np.uint32]
    """(n_tokens,) of all segments, each with its separator."""
    n_tokens: npt.NDArray[np.int64]
    """(n_segments,)"""
    standings: npt.NDArray[np.uint8]
    """(n_segments,)"""


class HasText(Protocol):
    """A document, wherever it is from."""

    @property
    def text(self) -> str:
        """All of it."""


Text = TypeVar("Text", bound=HasText)


def chunks(documents: Iterable[Text]) -> Iterator[list[Text]]:
    """Documents in chunks of about CHUNK_CHARACTERS; one that is larger is a chunk by itself."""
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
    """Whether lines of these documents count as much as their words."""
    lines = (line.strip() for document in documents for line in document.text.split("\n"))
    sample = [line for line in lines if line][:SAMPLED_LINES]
    return is_additive(tokenizer, sample)


class Cutter:
    """Cuts chunks of documents, here or in a worker process."""

    def __init__(self, tokenizer: TextTokenizer, segment_tokens: int, paper_exact: bool, by_words: bool) -> None:
        self._settings = tokenizer, segment_tokens, paper_exact, by_words
        self._tokenizer, self._segment_tokens, self._paper_exact = tokenizer, segment_tokens, paper_exact
        self._count = WordCounts(tokenizer).of if by_words and not paper_exact else tokenizer.count
        self._join = JoinSafety(tokenizer)

    def __reduce__(self) -> tuple[type["Cutter"], tuple[TextTokenizer, int, bool, bool]]:
        return Cutter, self._settings

    def fingerprint(self) -> str:
        """Changes when a document would be cut otherwise."""
        tokenizer, *settings = self._settings
        return f"{tokenizer.fingerprint()} {settings}"

    def __call__(self, documents: Sequence[str]) -> Cut:
        spans, texts, numbers = [], [], []
        for document in documents:
            found = segment(document, self._count, self._segment_tokens, self._paper_exact)
            spans += [(span.start, span.stop) for span in found]
            texts += [document[span.start : span.stop] for span in found]
            numbers.append(len(found))
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

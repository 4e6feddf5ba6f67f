"""Find near-duplicate segments with banded MinHash and the exact Jaccard similarity.

Segments that share a band are compared by the Jaccard similarity of their sets of word 5-grams, so there are no false
positives; the bands find at least 97% of the pairs at the threshold. The first segment of a group is the one that the
others repeat. Invariant: the result depends only on the texts. Memory: 12 bytes per segment and one partition of the
bands; the bands are on disk, about 220 bytes per segment.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from in2_plugin.corpus.screening.ngrams import FACTOR, Hashes, ngram_hashes, whole_hash, word_hashes, words

SHINGLE = 5
"""Words of a shingle."""
PERMUTATIONS = 128
RECALL = 0.97
PARTITION_BYTES = 64 << 20
REPRESENTATIVES = 4
"""Maximum number of segments of a bucket with which the others in it are compared."""
SEED = 42
ENTRY = np.dtype([("key", "<u8"), ("segment", "<u4")])
Bands = npt.NDArray[np.uint64]


def bands_and_rows(threshold: float) -> tuple[int, int]:
    """Return (bands, rows per band) that find a pair at the threshold with a probability of RECALL."""
    for rows in range(32, 1, -1):
        bands = PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** bands >= RECALL:
            return bands, rows
    return PERMUTATIONS, 1


def shingles(hashes: Hashes, text: str) -> Hashes:
    """Return hashes of a segment's word 5-grams; one hash of all words, or of the text, if there are too few."""
    if len(hashes) >= SHINGLE:
        return ngram_hashes(hashes, SHINGLE)
    return np.array([whole_hash(hashes if len(hashes) else word_hashes([text]))], np.uint64)


def band_keys(rows_of_shingles: list[Hashes], threshold: float) -> Bands:
    """Return (n_segments, n_bands) keys; two segments with an equal key are candidates."""
    bands, rows = bands_and_rows(threshold)
    if not rows_of_shingles:
        return np.zeros((0, bands), np.uint64)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows_of_shingles])]).astype(np.uint64)
    flat = np.ascontiguousarray(np.concatenate(rows_of_shingles))
    digests = RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, PERMUTATIONS, SEED).to_rows()
    values = np.array(digests, np.uint64)[:, : bands * rows].reshape(-1, bands, rows)
    keys = np.broadcast_to(np.arange(bands, dtype=np.uint64), values.shape[:2]).copy()
    with np.errstate(over="ignore"):
        for row in range(rows):
            keys = (keys ^ values[:, :, row]) * FACTOR
            keys ^= keys >> np.uint64(29)  # multiplying alone never moves a difference downwards
    return keys


@dataclass(frozen=True, slots=True)
class Repeat:
    """A segment that repeats an earlier one."""

    segment: int
    kept: int
    similarity: float
    """Jaccard similarity with the compared segment, which may itself repeat `kept`."""


class NearDuplicates:
    """Context manager that collects band keys on disk, and then finds the segments that repeat others."""

    def __init__(self, folder: Path, n_segments: int, threshold: float) -> None:
        self._threshold, self._n = threshold, n_segments
        size = n_segments * bands_and_rows(threshold)[0] * ENTRY.itemsize
        self._bits = max(0, (size // PARTITION_BYTES).bit_length())
        self._paths = [folder / f"bands-{i}.part" for i in range(1 << self._bits)]
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._remove)
            self._files = [stack.enter_context(path.open("w+b")) for path in self._paths]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    def _remove(self) -> None:
        for path in self._paths:
            path.unlink(missing_ok=True)

    def add(self, segments: npt.NDArray[np.uint32], keys: Bands) -> None:
        """Add the band keys of segments, in ascending order of the segments."""
        entries = np.empty(keys.size, ENTRY)
        entries["key"], entries["segment"] = keys.ravel(), np.repeat(segments, keys.shape[1])
        part = (entries["key"] >> np.uint64(64 - self._bits)).astype(np.int64) if self._bits else np.zeros(len(entries))
        for number in np.unique(part).astype(int).tolist():
            self._files[number].write(entries[part == number].tobytes())

    def found(self, text: Callable[[int], str]) -> Iterator[Repeat]:
        """Yield the segments that repeat an earlier one, in ascending order; `text` returns the text of a segment."""
        first = np.arange(self._n, dtype=np.uint32)
        similarity = np.ones(self._n)
        for file in self._files:
            for bucket in _buckets(file):
                # segments known to repeat the first one would only be found again, once per band
                known = first[bucket] == bucket[0]
                known[0] = False
                for earlier, later, how in self._similar(bucket[~known].tolist(), text):
                    if first[later] == later or earlier < first[later]:
                        first[later], similarity[later] = earlier, how
        for segment in np.flatnonzero(first != np.arange(self._n)).tolist():
            first[segment] = first[first[segment]]  # earlier ones are settled already
            yield Repeat(segment, int(first[segment]), float(similarity[segment]))

    def _similar(self, bucket: list[int], text: Callable[[int], str]) -> Iterator[tuple[int, int, float]]:
        """Yield (earlier, later, similarity) for every segment of a bucket that repeats one of its first ones."""
        representatives: list[tuple[int, frozenset[int]]] = []
        for segment in bucket if len(bucket) > 1 else ():
            own = shingle_set(text(segment))
            for earlier, its in representatives:
                how = len(own & its) / len(own | its)
                if how >= self._threshold:
                    yield earlier, segment, how
                    break
            else:
                if len(representatives) < REPRESENTATIVES:
                    representatives.append((segment, own))


def shingle_set(text: str) -> frozenset[int]:
    """Return the word 5-grams of a segment as a set of hashes."""
    return frozenset(shingles(word_hashes(words(text)), text).tolist())


def _buckets(file: IO[bytes]) -> Iterator[npt.NDArray[np.uint32]]:
    """Segments, ascending, that share a key; two of them at least."""
    file.seek(0)
    entries = np.frombuffer(file.read(), ENTRY)
    entries = entries[np.argsort(entries["key"], kind="stable")]
    starts = np.flatnonzero(np.concatenate([[True], entries["key"][1:] != entries["key"][:-1], [True]]))
    for place in np.flatnonzero(np.diff(starts) > 1):
        yield entries["segment"][starts[place] : starts[place + 1]]

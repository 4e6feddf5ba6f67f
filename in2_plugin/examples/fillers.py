"""Select the filler segments of a context: pure functions of arrays and a random generator.

The paper's equations 1 and 2: a context consists of the segments of a question and random fillers. Target lengths are
uniform; the last filler is selected by its length, so an example misses its target by a few tokens at most. Invariants:
a filler is usable, comes from another document than the questions, occurs once, and does not answer the question. Cost:
about 1 ms per 32K tokens.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from in2_plugin.errors import NotEnoughSegments
from in2_plugin.execution.process_pool import in_chunks

Ids = npt.NDArray[np.uint32]
READ = 64
"""Fillers that are read at a time; a context of 4K tokens needs about as many."""
POOL = pa.schema([("ids", pa.uint32()), ("n_tokens", pa.uint32()), ("document", pa.uint32())])


@dataclass(frozen=True, slots=True)
class FillerPool:
    """The segments that may be fillers."""

    ids: Ids
    """(n,) ids of the usable segments, sorted by number of tokens."""
    n_tokens: Ids
    """(n,) tokens of each segment, ascending."""
    document: Ids
    """(n,) document of each segment."""

    @classmethod
    def of(cls, usable: npt.NDArray[np.bool_], n_tokens: Ids, document: Ids, within: range) -> "FillerPool":
        """Create a pool of the segments `within` a range, from the columns of the whole segment store."""
        ids = (within.start + np.flatnonzero(usable[within.start : within.stop])).astype(np.uint32)
        ids = ids[np.argsort(n_tokens[ids], kind="stable")]
        return cls(ids, n_tokens[ids], document[ids])

    @classmethod
    def open(cls, path: Path) -> "FillerPool":
        """Memory-map a file of `write`: processes on one machine share its 12 bytes per segment."""
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        return cls(*(column.to_numpy(zero_copy_only=True) for column in batch.columns))

    def write(self, path: Path, made_of: str) -> None:
        """Write an Arrow file; `made_of`, the digest of its inputs, goes into the metadata."""
        schema = POOL.with_metadata({"made_of": made_of})
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            writer.write_batch(pa.record_batch([self.ids, self.n_tokens, self.document], schema=schema))

    def sample(self, most: int) -> "FillerPool":
        """Return all segments of a pool of up to `most`; of a larger one, about `most` / 8 at equal distances."""
        step = len(self.ids) // (most // 8) if len(self.ids) > most else 1
        return FillerPool(*(column[::step].copy() for column in (self.ids, self.n_tokens, self.document)))

    @property
    def common_lengths(self) -> tuple[int, int]:
        """The 2nd and 98th percentile of the segment lengths."""
        n = len(self.n_tokens)
        return (int(self.n_tokens[n // 50]), int(self.n_tokens[n - 1 - n // 50])) if n else (0, 0)


def target_length(need: int, shortest: int, longest: int, share: float) -> int:
    """Return the length in tokens at this share of [shortest, longest], both included, but at least `need`."""
    low = max(need, shortest)
    return low + int(share * (longest + 1 - low))


def fill(
    pool: FillerPool, budget: int, documents: frozenset[int], is_banned: Callable[[int], bool], rng: np.random.Generator
) -> list[int]:
    """Select random fillers with at most `budget` tokens in total, as close to it as the pool allows.

    `is_banned` returns True for a segment that must not be in this context; it is called for candidates only.

    Raises:
        NotEnoughSegments: the pool ran out before the budget did.
    """
    chosen: dict[int, int] = {}
    left = budget
    # random while two more fit; the last one is selected by its length, among frequent lengths
    low, high = pool.common_lengths
    by_length = max(high, 2 * low)
    for place, segment, n_tokens, document in _random_fillers(pool, rng):
        if left <= by_length:
            break
        if n_tokens <= left - low and document not in documents and not is_banned(segment):
            chosen[place] = segment
            left -= n_tokens

    def is_allowed(place: int) -> bool:
        return (
            place not in chosen and int(pool.document[place]) not in documents and not is_banned(int(pool.ids[place]))
        )

    while (best := _best_fit(pool, left, is_allowed, rng)) is not None:
        chosen[best] = int(pool.ids[best])
        left -= int(pool.n_tokens[best])
    if left > by_length:
        raise NotEnoughSegments(
            f"a context needs {budget:,} tokens of filler, but the corpus has only {budget - left:,} that are allowed "
            "next to its question; add text to the corpus or lower `lengths.max`"
        )
    return list(chosen.values())


def _random_fillers(pool: FillerPool, rng: np.random.Generator) -> Iterator[tuple[int, int, int, int]]:
    """Yield place, id, tokens and document of each segment of a pool, in random order."""
    for places in _random_places(len(pool.ids), rng):
        columns = (column[places].tolist() for column in (pool.ids, pool.n_tokens, pool.document))
        yield from zip(places, *columns, strict=True)


def _random_places(n: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yield the numbers below `n` in random order, a few at a time; a large `n` is sampled instead of permuted."""
    if n <= 20_000:
        order = rng.permutation(n)
        yield from (order[start : start + READ].tolist() for start in range(0, n, READ))
        return
    seen: set[int] = set()
    while len(seen) < n:
        new = [place for place in dict.fromkeys(rng.integers(n, size=1_024).tolist()) if place not in seen]
        seen.update(new)
        yield from in_chunks(new, READ)


def _best_fit(
    pool: FillerPool, left: int, is_allowed: Callable[[int], bool], rng: np.random.Generator, tries: int = 200
) -> int | None:
    """Return a random segment of exactly `left` tokens, else the longest shorter one; None if all are longer."""
    # the same dtype as the column, or numpy would copy the column to convert it
    stop = int(np.searchsorted(pool.n_tokens, np.uint32(max(left, 0)), side="right"))
    start = int(np.searchsorted(pool.n_tokens, pool.n_tokens[stop - 1], side="left")) if stop else 0
    while stop > 0 and tries > 0:
        # sampled in blocks if many have that length, so the cost does not grow with the corpus
        for place in chain.from_iterable(_random_places(stop - start, rng)):
            tries -= 1
            if is_allowed(start + place):
                return start + place
            if tries == 0:
                break
        stop = start
        start = int(np.searchsorted(pool.n_tokens, pool.n_tokens[stop - 1], side="left")) if stop else 0
    return None

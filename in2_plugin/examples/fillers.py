"""Which segments fill a context. Pure: arrays and a generator in, plans out.

The paper's equations 1 and 2: the segments of a question and random fillers. Lengths are drawn uniformly and met by
the number of fillers; the last filler is chosen for its length, so that an example misses its target by a few tokens
at most. Invariants: a filler is usable, is not from a document that is asked about, stands once, and holds nothing that
would answer the question. Cost: about 1 ms per 32K tokens.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from in2_plugin.errors import NotEnoughSegments

Ids = npt.NDArray[np.uint32]
POOL = pa.schema([("ids", pa.uint32()), ("n_tokens", pa.uint32()), ("document", pa.uint32())])


@dataclass(frozen=True, slots=True)
class FillerPool:
    """The segments that contexts are filled with."""

    ids: Ids
    """(n,) ids of the usable segments, ordered by number of tokens."""
    n_tokens: Ids
    """(n,) their tokens, ascending."""
    document: Ids
    """(n,) the document each is from."""

    @classmethod
    def of(cls, usable: npt.NDArray[np.bool_], n_tokens: Ids, document: Ids) -> "FillerPool":
        """From the columns of a segment store."""
        ids = np.flatnonzero(usable).astype(np.uint32)
        ids = ids[np.argsort(n_tokens[ids], kind="stable")]
        return cls(ids, n_tokens[ids], document[ids])

    @classmethod
    def open(cls, path: Path) -> "FillerPool":
        """What `write` wrote, memory-mapped: processes of one machine share its 12 bytes a segment."""
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        return cls(*(column.to_numpy(zero_copy_only=True) for column in batch.columns))

    def write(self, path: Path, made_of: str) -> None:
        """Write an Arrow file; its metadata says what it is made of."""
        schema = POOL.with_metadata({"made_of": made_of})
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            writer.write_batch(pa.record_batch([self.ids, self.n_tokens, self.document], schema=schema))

    def sample(self, most: int) -> "FillerPool":
        """Segments at equal distances in it: all of them up to `most`, an eighth of `most` of a larger pool."""
        step = len(self.ids) // (most // 8) if len(self.ids) > most else 1
        return FillerPool(*(column[::step].copy() for column in (self.ids, self.n_tokens, self.document)))

    @property
    def common_lengths(self) -> tuple[int, int]:
        """Lengths that all but two percent at either end of the segments have."""
        n = len(self.n_tokens)
        return (int(self.n_tokens[n // 50]), int(self.n_tokens[n - 1 - n // 50])) if n else (0, 0)


def target_length(need: int, shortest: int, longest: int, share: float) -> int:
    """A length in tokens at this share of [shortest, longest], both included, but not below `need`."""
    low = max(need, shortest)
    return low + int(share * (longest + 1 - low))


def fill(
    pool: FillerPool, budget: int, documents: frozenset[int], is_banned: Callable[[int], bool], rng: np.random.Generator
) -> list[int]:
    """Random fillers of together at most `budget` tokens, as close to it as the pool allows.

    `is_banned` tells whether a segment holds a text that must not occur twice; it is asked only about candidates.

    Raises:
        NotEnoughSegments: the pool ran out before the budget did.
    """
    chosen: list[int] = []
    left = budget
    taken: set[int] = set()

    def may_stand(place: int) -> bool:
        return place not in taken and int(pool.document[place]) not in documents and not is_banned(int(pool.ids[place]))

    def take(place: int) -> None:
        nonlocal left
        taken.add(place)
        chosen.append(int(pool.ids[place]))
        left -= int(pool.n_tokens[place])

    # By chance while two more fit; then one is chosen for its length, among lengths of which there are many.
    low, high = pool.common_lengths
    by_length = max(high, 2 * low)
    for place in _random_places(len(pool.ids), rng):
        if left <= by_length:
            break
        if pool.n_tokens[place] <= left - low and may_stand(place):
            take(place)
    while (best := _best_fit(pool, left, may_stand, rng)) is not None:
        take(best)
    if left > by_length:
        raise NotEnoughSegments(
            f"a context needs {budget:,} tokens of filler, but the corpus holds only {budget - left:,} that may "
            "stand beside its question; add text to the corpus or lower lengths.max"
        )
    return chosen


def _random_places(n: int, rng: np.random.Generator) -> Iterator[int]:
    """The numbers below `n` in random order, drawn in blocks when a permutation of all would be waste."""
    if n <= 20_000:
        yield from rng.permutation(n).tolist()
        return
    seen: set[int] = set()
    while len(seen) < n:
        for place in rng.integers(n, size=1_024).tolist():
            if place not in seen:
                seen.add(place)
                yield place


def _best_fit(
    pool: FillerPool, left: int, may_stand: Callable[[int], bool], rng: np.random.Generator, tries: int = 200
) -> int | None:
    """A random segment of exactly `left` tokens, or else the longest shorter one; None when none is short enough."""
    # of the column's own type: numpy would copy the column to another
    stop = int(np.searchsorted(pool.n_tokens, np.uint32(max(left, 0)), side="right"))
    start = int(np.searchsorted(pool.n_tokens, pool.n_tokens[stop - 1], side="left")) if stop else 0
    while stop > 0 and tries > 0:
        # in blocks where there are many of that length, so that the cost does not grow with the corpus
        for place in _random_places(stop - start, rng):
            tries -= 1
            if may_stand(start + place):
                return start + place
            if tries == 0:
                break
        stop = start
        start = int(np.searchsorted(pool.n_tokens, pool.n_tokens[stop - 1], side="left")) if stop else 0
    return None

"""The order of questions, chosen so that lm_eval's `--limit N` covers positions evenly for any N.

`--limit` takes the first N questions. The order alternates between the two halves of a context, and within each half
between its halves: bit-reversed counting, generalised to any number of positions. Each set starts with other halves,
so the first N questions of all sets together are spread finer than those of one. Every question occurs once.
"""

from collections.abc import Sequence
from itertools import zip_longest


def bit_reversed(n: int, start: str = "") -> list[int]:
    """Return 0..n-1 in an order whose every prefix is spread evenly; for n = 8: 0 4 2 6 1 5 3 7.

    `start` is a string of binary digits, repeated, that picks the first half at each level: 0 for the left one.
    """
    return _by_halves(range(n), start or "0", depth=0)


def _by_halves(indices: range, start: str, depth: int) -> list[int]:
    if len(indices) <= 1:
        return list(indices)
    middle = (len(indices) + 1) // 2
    halves = [_by_halves(half, start, depth + 1) for half in (indices[:middle], indices[middle:])]
    if start[depth % len(start)] == "1":
        halves.reverse()
    return [index for turn in zip_longest(*halves) for index in turn if index is not None]


def question_order(questions: Sequence[int]) -> list[tuple[int, int]]:
    """Return (set, index of the question in its set) of all questions; set s has `questions[s]` of them."""
    width = max(len(questions) - 1, 1).bit_length()
    orders = [bit_reversed(n, f"{s:0{width}b}"[::-1]) for s, n in enumerate(questions)]
    longest = max(questions, default=0)
    return [(s, order[rank]) for rank in range(longest) for s, order in enumerate(orders) if rank < len(order)]


def evenly_spread(available: int, wanted: int) -> list[int]:
    """Return `wanted` of the indices 0..available-1, each in the middle of its share; needs wanted <= available."""
    return [(2 * index + 1) * available // (2 * wanted) for index in range(wanted)]

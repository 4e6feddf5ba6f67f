"""The order in which questions are asked, so that lm_eval's `--limit N` covers positions evenly for any N.

`--limit` takes the first N questions. Bit-reversed counting (the van der Corput sequence) puts any first questions
evenly over the context; each set follows it from another start, so that the first N questions of all sets together
are spread finer than those of one. Every question comes exactly once.
"""

from collections.abc import Sequence


def bit_reversed(n: int, start: str = "") -> list[int]:
    """0..n-1 in bit-reversed order; the binary digits `start`, repeated, are added without carry to each index.

    For n = 8 and no start: 0 4 2 6 1 5 3 7.
    """
    bits = max(n - 1, 1).bit_length()
    offset = int((start * bits)[:bits] or "0", 2)
    scattered = (int(f"{rank:0{bits}b}"[::-1], 2) ^ offset for rank in range(1 << bits))
    # 2**bits >= n cells are scaled down onto n, so that the order stays even when n is no power of two
    return list(dict.fromkeys(index * n >> bits for index in scattered))


def asking_order(questions: Sequence[int]) -> list[tuple[int, int]]:
    """(set, index of the question in its set) of all questions; `questions[s]` is how many set s has."""
    width = max(len(questions) - 1, 1).bit_length()
    orders = [bit_reversed(n, f"{s:0{width}b}"[::-1]) if n else [] for s, n in enumerate(questions)]
    longest = max(questions, default=0)
    return [(s, order[rank]) for rank in range(longest) for s, order in enumerate(orders) if rank < len(order)]


def evenly_spread(available: int, wanted: int) -> list[int]:
    """`wanted` of the indices 0..available-1, each in the middle of its share; needs wanted <= available."""
    return [(2 * index + 1) * available // (2 * wanted) for index in range(wanted)]

"""Find the opening of an answer: its first tokens, up to the point where it is unambiguous in the context.

With these tokens a model chooses a place in the context; the rest is copying on. Invariant: the opening depends on
texts and token borders alone. Cost: two searches of the context per answer, about 0.1 ms at 32K tokens.
"""

from collections.abc import Sequence

ASSUMED = 8
"""Tokens of the opening of an answer that has no unambiguous prefix: it is not a quotation, or occurs several times."""


def opening_tokens(context: str, answer: str, ends: Sequence[int]) -> int:
    """Return the number of tokens of the shortest prefix of the answer that occurs once in the context.

    Args:
        context: the text that was asked about; with an empty one there is nothing to find, and the opening is empty.
        ends: (n_tokens,) characters of the answer up to the end of each token, zero or less for white space before it;
            tokens beyond the answer, such as the end of the turn, may follow.
    """
    if not context:
        return 0
    place = context.find(answer)
    other = 0  # an occurrence elsewhere of the prefixes so far; those of longer prefixes are among them
    for n, (end, following) in enumerate(zip(ends, [*ends[1:], None], strict=True), 1):
        if place < 0 or end <= 0 or end == following:  # white space; a part of a character
            continue
        other = context.find(answer[:end], other)
        if other == place:
            other = context.find(answer[:end], place + 1)
        if other < 0:
            return n
    return min(ASSUMED, len(ends))

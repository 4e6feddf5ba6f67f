"""Which prompts begin alike, what their tokens are, and where their shared beginning stops.

Texts are grouped first and tokenised group by group, so that the token ids of 9,400 long prompts never lie in memory
together. Invariant: every prompt is in exactly one group, and shared tokens followed by a prompt's own are its tokens.
Cost: a shared beginning is tokenised twice and not once a prompt, which would take 80 ms at 32K tokens.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARE = 0.5
"""Of the longest prompt of a group, at least, what all of them share: less is not worth a cache of its own."""
OVERLAP = 4_000
"""Characters of the shared beginning that are tokenised with each prompt's own text."""
AGREED = 32
"""Tokens of these, at least, that must be the same for every prompt."""
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Token ids of several prompts."""

    shared: list[int]
    own: tuple[list[int], ...]
    """What follows the shared ones, at least one id for each prompt."""


@dataclass(slots=True)
class Counts:
    """What was read, over a run."""

    contexts: int = 0
    questions: int = 0
    prefilled_tokens: int = 0
    """Prompt tokens that went through the model."""
    prompt_tokens: int = 0
    """Prompt tokens of the same questions one by one."""

    def add(self, parts: Split) -> None:
        """One context and all questions about it."""
        own = sum(map(len, parts.own))
        self.contexts += 1
        self.questions += len(parts.own)
        self.prefilled_tokens += len(parts.shared) + own
        self.prompt_tokens += len(parts.shared) * len(parts.own) + own

    def __str__(self) -> str:
        return (
            f"{self.contexts:,} contexts read once, {self.questions:,} questions, prefilled "
            f"{self.prefilled_tokens:,} instead of {self.prompt_tokens:,} tokens"
        )


def group_by_beginning(texts: Sequence[str]) -> list[list[int]]:
    """Indices of texts whose shared beginning is most of each; a text that shares too little is a group of one."""
    groups: list[list[int]] = []
    shared, longest = "", 0
    for index in sorted(range(len(texts)), key=texts.__getitem__):
        text = texts[index]
        common = shared if text.startswith(shared) else shared[: _first_difference(shared, text)]
        if groups and len(common) >= SHARE * max(longest, len(text)) and common:
            groups[-1].append(index)
            shared, longest = common, max(longest, len(text))
        else:
            groups.append([index])
            shared, longest = text, len(text)
    return groups


def _first_difference(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def token_ids(texts: Sequence[str], encode: Callable[[str], Ids]) -> Iterator[Ids]:
    """The token ids of texts that begin alike, each as `encode` gives them for the whole text.

    Two texts are encoded whole. Of the others only the end is, from `OVERLAP` characters before they differ, and put
    behind the tokens of the first one, where both have the same tokens. When that is not what `encode` makes of the
    last text, every text is encoded whole.
    """
    start = _first_difference(min(texts), max(texts)) - OVERLAP
    if start <= 0 or len(texts) < 3:
        yield from map(encode, texts)
        return
    first, last, end = encode(texts[0]), encode(texts[-1]), encode(texts[0][start:])
    agreed = _alike(first[::-1], end[::-1])
    before, skipped = first[: len(first) - agreed], len(end) - agreed

    def joined(text: str) -> Ids:
        ids = encode(text[start:])
        return np.concatenate([before, ids[skipped:]]) if _alike(end, ids) >= skipped + AGREED else encode(text)

    yield first
    yield from map(joined if np.array_equal(joined(texts[-1]), last) else encode, texts[1:-1])
    yield last


def split(prompts: Iterable[Ids | Sequence[int]]) -> Split:
    """Cut prompts where they stop being alike, and before the last token of the shortest.

    Prompts may come from a generator: of each, only what is not shared is kept.
    """
    first, stop, kept = np.empty(0, np.int64), 0, list[tuple[int, list[int]]]()
    for prompt in prompts:
        ids = np.asarray(prompt, dtype=np.int64)
        if not kept:
            first, stop = ids, len(ids) - 1
        stop = max(min(_alike(first[:stop], ids), len(ids) - 1), 0)
        kept.append((stop, ids[stop:].tolist()))
    # what was shared with fewer prompts belongs to each of them by now
    return Split(first[:stop].tolist(), tuple([*first[stop:before].tolist(), *rest] for before, rest in kept))


def _alike(one: Ids, other: Ids) -> int:
    n = min(len(one), len(other))
    different = np.flatnonzero(one[:n] != other[:n])
    return int(different[0]) if len(different) else n


def in_batches(sizes: Sequence[int], room: int, at_most: int | None = None) -> list[range]:
    """Neighbours whose sizes together stay within `room`, at most so many; one that is larger alone."""
    batches, start, taken = [], 0, 0
    for index, size in enumerate(sizes):
        if index > start and (taken + size > room or index - start == at_most):
            batches.append(range(start, index))
            start, taken = index, 0
        taken += size
    return [*batches, range(start, len(sizes))] if sizes else []

"""Group prompts by shared prefix, tokenize them, and split their tokens at the end of the prefix.

Texts are grouped first and tokenized group by group, so that the token ids of 9,400 long prompts are never in memory
together. Invariant: every prompt is in exactly one group, and shared tokens plus a prompt's own are its tokens. Cost: a
shared prefix is tokenized twice instead of once per prompt, which would take 80 ms each at 32K tokens.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARE = 0.5
"""Smallest share of a group's longest prompt that all of them have in common: less is not worth a cache."""
OVERLAP = 4_000
"""Characters of the shared prefix that are tokenized again with each prompt's own text."""
AGREED = 32
"""Smallest number of tokens in that overlap that must agree for every prompt."""
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SplitPrompts:
    """Token ids of several prompts with a shared prefix."""

    shared: list[int]
    own: tuple[list[int], ...]
    """The ids after the shared ones, at least one per prompt."""


@dataclass(slots=True)
class PrefillCounts:
    """Numbers of contexts, questions and prompt tokens over a run."""

    contexts: int = 0
    questions: int = 0
    prefilled_tokens: int = 0
    """Prompt tokens that the model processed."""
    prompt_tokens: int = 0
    """Prompt tokens of the same questions without sharing."""

    def add(self, parts: SplitPrompts) -> None:
        """Add one context and all questions about it."""
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


def group_by_prefix(texts: Sequence[str]) -> list[list[int]]:
    """Return groups of indices of texts that share at least half; a text that shares less is a group of one."""
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
    """Yield the token ids of texts with a shared prefix, equal to those of `encode` for the whole text.

    Two texts are encoded whole. For the others, only the end is encoded, from `OVERLAP` characters before they differ,
    and appended to the tokens of the first one where both agree. If that gives a wrong result for the last text, every
    text is encoded whole.
    """
    start = _first_difference(min(texts), max(texts)) - OVERLAP
    if start <= 0 or len(texts) < 3:
        yield from map(encode, texts)
        return
    first, last, end = encode(texts[0]), encode(texts[-1]), encode(texts[0][start:])
    agreed = _common_length(first[::-1], end[::-1])
    before, skipped = first[: len(first) - agreed], len(end) - agreed

    def joined(text: str) -> Ids:
        ids = encode(text[start:])
        return np.concatenate([before, ids[skipped:]]) if _common_length(end, ids) >= skipped + AGREED else encode(text)

    yield first
    yield from map(joined if np.array_equal(joined(texts[-1]), last) else encode, texts[1:-1])
    yield last


def split(prompts: Iterable[Ids | Sequence[int]]) -> SplitPrompts:
    """Split prompts where they start to differ, at the latest before the last token of the shortest.

    `prompts` may be a generator: only the part of each that is not shared is kept.
    """
    first, stop, kept = np.empty(0, np.int64), 0, list[tuple[int, list[int]]]()
    for prompt in prompts:
        ids = np.asarray(prompt, dtype=np.int64)
        if not kept:
            first, stop = ids, len(ids) - 1
        stop = max(min(_common_length(first[:stop], ids), len(ids) - 1), 0)
        kept.append((stop, ids[stop:].tolist()))
    # tokens that only the prompts so far share become part of each
    return SplitPrompts(first[:stop].tolist(), tuple([*first[stop:before].tolist(), *rest] for before, rest in kept))


def _common_length(one: Ids, other: Ids) -> int:
    n = min(len(one), len(other))
    different = np.flatnonzero(one[:n] != other[:n])
    return int(different[0]) if len(different) else n


def in_batches(sizes: Sequence[int], room: int, at_most: int | None = None) -> list[range]:
    """Return batches of neighbours, at most `at_most` each, whose number times the largest is within `room`.

    A larger one is a batch alone.
    """
    batches, start, largest = [], 0, 0
    for index, size in enumerate(sizes):
        largest = max(largest, size)
        if index > start and ((index + 1 - start) * largest > room or index - start == at_most):
            batches.append(range(start, index))
            start, largest = index, size
    return [*batches, range(start, len(sizes))] if sizes else []

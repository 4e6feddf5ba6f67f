"""Where concatenating token ids is safe: segments end with a newline and are encoded behind an anchor.

Tokenising "a\\nb" and concatenating tokenise("a\\n") + tokenise("b") need not agree: SentencePiece models put a
space before the first piece of a text, and some BPE patterns glue a newline to what follows. So every segment
is encoded behind `ANCHOR` and cut; one whose ids depend on the text to its left is marked and left out; and
assembled contexts are compared with the joint encoding before the ids are trusted. Where they do not agree, the
rendered text of an example is tokenised as a whole (`Joining.RETOKENIZE`), which costs about 2 ms per 1K tokens.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from in2_plugin.corpus.tokenizer import TextTokenizer

SEPARATOR = "\n"
ANCHOR = "x" + SEPARATOR
# Ends of a left neighbour of each class that known pre-tokenisers treat differently.
TAILS = ("x", ".", "1", ")", '"', "é", "。", "_")
HEAD_CHARACTERS = 48
"""Characters of a segment that are compared at most, where its first word is longer."""
REMEMBERED = 1 << 17
_SPACE = re.compile(r"\s+")


class Joining(StrEnum):
    """How an example gets its ids."""

    SPLICE = "splice"
    RETOKENIZE = "retokenize"


def anchored_ids(tokenizer: TextTokenizer, segments: Sequence[str]) -> list[list[int]]:
    """Ids of each segment with its separator, as they are after another segment."""
    anchor = tokenizer.ids([ANCHOR])[0]
    encoded = tokenizer.ids([ANCHOR + segment + SEPARATOR for segment in segments])
    return [ids[len(anchor) :] for ids in encoded]


class JoinSafety:
    """Tells whether a segment's tokens depend on what stands to its left; what it found is remembered by first words.

    A left neighbour can change no more than the first tokens, and what a tokenizer does with them depends on the first
    word; segments of a corpus begin with the same few thousand words.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, bool] = {}

    def safe(self, segments: Sequence[str]) -> list[bool]:
        """For each segment, whether its first tokens are the same after every kind of left neighbour."""
        heads = [_first_word(segment) for segment in segments]
        if len(self._known) > REMEMBERED:
            self._known.clear()
        if unknown := sorted({head for head in heads if head not in self._known}):
            self._known.update(zip(unknown, self._compared(unknown), strict=True))
        return [self._known[head] for head in heads]

    def _compared(self, heads: Sequence[str]) -> list[bool]:
        seen: list[set[tuple[int, ...]]] = [set() for _ in heads]
        for tail in TAILS:
            left = self._tokenizer.ids([tail + SEPARATOR])[0]
            encoded = self._tokenizer.ids([tail + SEPARATOR + head for head in heads])
            for variants, ids in zip(seen, encoded, strict=True):
                # a changed prefix is recorded as a variant of its own, so that it never counts as agreement
                variants.add(tuple(ids[len(left) :]) if ids[: len(left)] == left else (-1, *ids))
        return [len(variants) == 1 for variants in seen]


def _first_word(segment: str) -> str:
    """Up to the first white space, and the character behind it."""
    head = (segment + SEPARATOR)[:HEAD_CHARACTERS]
    space = _SPACE.search(head)
    return head[: space.end() + 1] if space else head


def splices_equal_joint(
    tokenizer: TextTokenizer,
    segments: Sequence[str],
    ids: Sequence[Sequence[int]],
    rng: np.random.Generator,
    contexts: int = 20,
    width: int = 64,
) -> bool:
    """Compare `contexts` random contexts of up to `width` segments, spliced, with their joint encoding."""
    anchor = tokenizer.ids([ANCHOR])[0]
    for _ in range(contexts):
        chosen = rng.choice(len(segments), size=min(width, len(segments)), replace=False)
        joint = tokenizer.ids([ANCHOR + "".join(segments[i] + SEPARATOR for i in chosen)])[0]
        spliced = [*anchor, *(token for i in chosen for token in ids[i])]
        if joint != spliced:
            return False
    return True

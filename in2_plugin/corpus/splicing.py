"""Find out where concatenating token ids is safe. Segments end with a newline and are encoded after an anchor.

tokenize("a\\nb") and tokenize("a\\n") + tokenize("b") may differ: SentencePiece models put a space before the first
piece of a text, and some BPE patterns merge a newline with what follows. So every segment is encoded after `ANCHOR`,
whose ids are removed. A segment whose ids depend on the text to its left is marked and left out, and assembled contexts
are compared with their joint encoding before the ids are used. If they differ, the rendered text of each example is
tokenized as a whole (`Joining.RETOKENIZE`), which costs about 2 ms per 1K tokens.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from in2_plugin.corpus.tokenizer import TextTokenizer

SEPARATOR = "\n"
ANCHOR = "x" + SEPARATOR
# Last characters of a left neighbour: one of each class that known pre-tokenizers treat differently.
TAILS = ("x", ".", "1", ")", '"', "é", "。", "_")
HEAD_CHARACTERS = 48
"""Maximum number of compared characters of a segment, if its first word is longer."""
REMEMBERED = 1 << 17
_SPACE = re.compile(r"\s+")


class Joining(StrEnum):
    """How the ids of an example are made."""

    SPLICE = "splice"
    RETOKENIZE = "retokenize"


def anchored_ids(tokenizer: TextTokenizer, segments: Sequence[str]) -> list[list[int]]:
    """Return the ids of each segment with its separator, as they are after another segment."""
    anchor = tokenizer.ids([ANCHOR])[0]
    encoded = tokenizer.ids([ANCHOR + segment + SEPARATOR for segment in segments])
    return [ids[len(anchor) :] for ids in encoded]


class JoinSafety:
    """Checks if a segment's tokens depend on the text to its left, and remembers the result per first word.

    A left neighbour can change only the first tokens, which depend on the first word, and the segments of a corpus
    begin with the same few thousand words.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, bool] = {}

    def safe(self, segments: Sequence[str]) -> list[bool]:
        """Return, for each segment, if its first tokens are the same after every kind of left neighbour."""
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
                # a changed prefix is a variant of its own, so that it never counts as agreement
                variants.add(tuple(ids[len(left) :]) if ids[: len(left)] == left else (-1, *ids))
        return [len(variants) == 1 for variants in seen]


def _first_word(segment: str) -> str:
    """Return the text up to the first whitespace, and the character after it."""
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

"""Split texts into words and hash n-grams of words.

A word is a run of letters, marks and digits, case-folded (NFKC); in scripts without spaces every character is a word,
so that n-grams work for Chinese too. Invariant: equal words have equal hashes in every process and run.
Cost: 30-100 MB of text per second, for many texts at once.
"""

import sys
import unicodedata
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that multiplication modulo 2^64 is invertible."""
CACHE = 1 << 20
"""Maximum number of cached word hashes; a corpus has more words, most of them once."""
_BORDER = "\x1e"
"""Separates texts; inside a text it counts as whitespace."""
_DENSE = (
    (0x0E01, 0x0EFF), (0x0F40, 0x0FBC), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3041, 0x30FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF),
)  # fmt: skip
"""Thai and Lao, Tibetan, Myanmar, Khmer, kana, Han."""
_ASSIGNED = 0x323B0
"""No letter has a higher code point."""
_ASCII = "".join(chr(code).lower() if chr(code).isalnum() or chr(code) == _BORDER else " " for code in range(128))
_SPACE = np.uint32(ord(" "))
_SIGN, _LETTER, _WORD = 0, 1, 2
"""Kinds of characters: not part of a word, part of a word, a word of its own."""


@cache
def _sorts() -> npt.NDArray[np.uint8]:
    """Return (0x110000,) the kind of each character."""
    sorts = np.zeros(sys.maxunicode + 1, np.uint8)
    sorts[:_ASSIGNED] = [unicodedata.category(chr(code))[0] in "LMN" for code in range(_ASSIGNED)]
    for first, last in _DENSE:
        sorts[first : last + 1] *= _WORD
    sorts[ord(_BORDER)] = _LETTER  # kept, with spaces around it
    return sorts


def words(text: str) -> list[str]:
    """Return the words of a text, in order."""
    return words_of([text])[0]


def words_of(texts: Sequence[str]) -> list[list[str]]:
    """Return the words of each of several texts; large batches are fastest."""
    joined = f" {_BORDER} ".join(text.replace(_BORDER, " ") for text in texts)
    spaced = joined.translate(_ASCII) if joined.isascii() else _spaced(joined)
    return [part.split() for part in spaced.split(_BORDER)]


def _spaced(text: str) -> str:
    """Return a text that has only the words, with spaces between them."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    codes = np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), np.uint32)
    sorts = _sorts()[codes]
    codes = np.where(sorts == _SIGN, _SPACE, codes)
    single = np.flatnonzero(sorts == _WORD)
    if len(single):
        # a space on either side
        codes = np.insert(codes, np.concatenate([single, single + 1]), _SPACE)
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


class _WordHashes(dict[str, int]):
    """Maps a word to 64 bits; computed on first use."""

    def __missing__(self, word: str) -> int:
        if len(self) >= CACHE:
            self.clear()
        found = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self[word] = int.from_bytes(found, "little")
        return self[word]


_HASHES = _WordHashes()


def word_hashes(found: Sequence[str]) -> Hashes:
    """Return (n_words,) a hash of each word."""
    return np.fromiter(map(_HASHES.__getitem__, found), np.uint64, len(found))


def ngram_hashes(hashes: Hashes, n: int) -> Hashes:
    """Return (n_words - n + 1,) a hash of each run of `n` words, from the word hashes; empty if there are fewer."""
    count = max(0, len(hashes) - n + 1)
    total = np.zeros(count, np.uint64)
    with np.errstate(over="ignore"):
        for i in range(n):
            total = total * FACTOR + hashes[i : i + count]
    return total


def longer_ngram_hashes(shorter: Hashes, hashes: Hashes, n: int) -> Hashes:
    """Return the same as `ngram_hashes`, from the hashes of runs of `n` - 1 words."""
    count = max(0, len(hashes) - n + 1)
    with np.errstate(over="ignore"):
        return shorter[:count] * FACTOR + hashes[n - 1 : n - 1 + count]


def whole_hash(hashes: Hashes) -> np.uint64:
    """Return one hash of all words of a text, in order; 0 without words."""
    found = blake2b(hashes.astype("<u8").tobytes(), digest_size=8).digest() if len(hashes) else bytes(8)
    return np.uint64(int.from_bytes(found, "little"))

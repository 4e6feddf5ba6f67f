"""Words of a text for comparing texts, and hashes of runs of them.

A word is a run of letters, marks and digits without case (NFKC); in scripts without spaces every character is one, so
that an n-gram of words means the same in Chinese. Invariant: equal words have equal hashes in every process and run.
Cost: 20-70 MB of text a second, most of it finding the words.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import groupby

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that multiplying loses nothing modulo 2^64."""
CACHE = 1 << 20
"""Words whose hashes are remembered; a corpus has more, most of them once."""


def _ranges(codes: Iterable[int]) -> str:
    """Code points as the inside of a character class."""
    runs = groupby(enumerate(codes), key=lambda pair: pair[1] - pair[0])
    ends = ([code for _, code in run] for _, run in runs)
    return "".join(f"{re.escape(chr(run[0]))}-{re.escape(chr(run[-1]))}" for run in ends)


_MARKS = _ranges(code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M")
# kana, Han, Thai, Lao, Tibetan, Myanmar, Khmer
_DENSE = (
    "\u0e01-\u0eff\u0f40-\u0fbc\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003134f"
)
_WORD = re.compile(rf"[{_DENSE}]|[^\W_{_DENSE}](?:[{_MARKS}]|[^\W_{_DENSE}])*")
_ASCII = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    if text.isascii():
        return text.translate(_ASCII).split()
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


class _WordHashes(dict[str, int]):
    """word -> 64 bits; filled as it is asked."""

    def __missing__(self, word: str) -> int:
        if len(self) >= CACHE:
            self.clear()
        found = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self[word] = int.from_bytes(found, "little")
        return self[word]


_HASHES = _WordHashes()


def word_hashes(found: Sequence[str]) -> Hashes:
    """(n_words,) a hash of each word."""
    return np.fromiter(map(_HASHES.__getitem__, found), np.uint64, len(found))


def ngram_hashes(hashes: Hashes, n: int) -> Hashes:
    """(n_words - n + 1,) a hash of each run of `n` words, from the hashes of the words; empty when there are fewer."""
    count = max(0, len(hashes) - n + 1)
    total = np.zeros(count, np.uint64)
    with np.errstate(over="ignore"):
        for i in range(n):
            total = total * FACTOR + hashes[i : i + count]
    return total


def whole_hash(hashes: Hashes) -> np.uint64:
    """One hash of all words of a text, in order; 0 of none."""
    found = blake2b(hashes.astype("<u8").tobytes(), digest_size=8).digest() if len(hashes) else bytes(8)
    return np.uint64(int.from_bytes(found, "little"))

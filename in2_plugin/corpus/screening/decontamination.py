"""Find documents that share an n-gram of words with an evaluation item (paper, Appendix A).

Items with fewer than n words are compared as a whole, down to a least number of words. Invariant: each hit is confirmed
word by word, so that no hash collision leaves a document out. Memory: 12 bytes per n-gram of the evaluation items, and
their words; none for the corpus. Cost: about 10 ns per word, and 4 ns for each length of shorter items.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from in2_plugin.corpus.screening.evaluation_items import Item
from in2_plugin.corpus.screening.ngrams import (
    Hashes,
    longer_ngram_hashes,
    ngram_hashes,
    word_hashes,
    words_of,
)
from in2_plugin.errors import CorpusError

FILTER_BITS = 22
"""A table of at most 4 MB rejects most n-grams before the search."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An n-gram that a text shares with an evaluation item."""

    at: int
    """Index of its first word in the text."""
    ngram: str
    item: str


@dataclass(frozen=True, slots=True)
class _Index:
    """The n-grams of some evaluation items, for one n."""

    n: int
    hashes: Hashes
    """(n_ngrams,) ascending and unique."""
    item: npt.NDArray[np.uint32]
    """(n_ngrams,) the first item with each n-gram."""
    filter: npt.NDArray[np.bool_] = field(repr=False)
    """(2^k,) True at the top k bits of each hash, with k at most FILTER_BITS."""

    @classmethod
    def of(cls, words: Sequence[list[str]], items: Sequence[int], n: int) -> "_Index":
        """Index the n-grams of those items, given as numbers in `words`."""
        texts = [words[i] for i in items]
        item = np.repeat(np.array(items, np.uint32), np.array([len(one) for one in texts], np.int64))
        grams = ngram_hashes(word_hashes([word for one in texts for word in one]), n)
        # all items are concatenated: an n-gram that starts in one and ends in the next does not count
        inside = item[: len(grams)] == item[len(item) - len(grams) :]
        item = item[: len(grams)][inside]
        hashes, first = np.unique(grams[inside], return_index=True)
        # 32 times as many places as n-grams: 97% of other n-grams are rejected
        table = np.zeros(1 << min(FILTER_BITS, len(hashes).bit_length() + 5), bool)
        table[_top(hashes, table)] = True
        return cls(n, hashes, item[first], table)

    def candidates(self, grams: Hashes) -> list[tuple[int, int]]:
        """Return (place, item) of each run of words that has the hash of an n-gram."""
        places = np.flatnonzero(self.filter[_top(grams, self.filter)])
        found = np.minimum(np.searchsorted(self.hashes, grams[places]), len(self.hashes) - 1)
        same = self.hashes[found] == grams[places]
        return list(zip(places[same].tolist(), self.item[found[same]].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Contaminants:
    """The n-grams of all evaluation items."""

    n: int
    names: list[str]
    words: list[list[str]]
    """Words of each item."""
    short: int
    """Number of items with fewer than `shortest` words, which are not compared."""
    shortest: int
    _indices: tuple[_Index, ...]
    """By ascending n; the last one has the n-grams of all long items, the others whole items."""

    @classmethod
    def of(cls, items: Iterable[Item], n: int, shortest: int) -> "Contaminants":
        """Index the items.

        Args:
            shortest: items with fewer words than this are not compared; those with fewer than `n` as a whole.

        Raises:
            CorpusError: there are items, but none has enough words.
        """
        given = list(items)
        found = words_of([text for _, text in given])
        least = min(n, shortest)
        compared = [i for i, one in enumerate(found) if len(one) >= least]
        names, texts = [given[i][0] for i in compared], [found[i] for i in compared]
        if given and not names:
            raise CorpusError(
                f"not one of {len(given):,} evaluation items has {least} words; lower `decontamination.whole_items` or "
                "check `fields`"
            )
        lengths = [min(len(one), n) for one in texts]
        indices = tuple(
            _Index.of(texts, [i for i, own in enumerate(lengths) if own == length], length)
            for length in sorted(set(lengths))
        )
        return cls(n, names, texts, len(given) - len(compared), least, indices)

    @property
    def hashes(self) -> Hashes:
        """The hashes of all n-grams, those of short items included."""
        return np.concatenate([np.zeros(0, np.uint64), *(index.hashes for index in self._indices)])

    def hits(self, found: list[str], hashes: Hashes, first: npt.NDArray[np.int64]) -> dict[int, Hit]:
        """Return the first hit of each of several concatenated texts, by the number of the text.

        Args:
            found: words of all texts.
            hashes: their hashes.
            first: (n_texts + 1,) index of the first word of each text, and the number of words.
        """
        by_text: dict[int, Hit] = {}
        grams, length = hashes, 1
        for index in self._indices:  # a longer hit replaces a shorter one
            while length < index.n:
                length += 1
                grams = longer_ngram_hashes(grams, hashes, length)
            by_text |= self._hits_of(index, grams, found, first)
        return by_text

    def _hits_of(self, index: _Index, grams: Hashes, found: list[str], first: npt.NDArray[np.int64]) -> dict[int, Hit]:
        by_text: dict[int, Hit] = {}
        for at, item in index.candidates(grams):
            text = int(np.searchsorted(first, at, side="right")) - 1
            if text in by_text or at + index.n > first[text + 1]:
                continue  # an n-gram across two texts belongs to neither
            ngram = found[at : at + index.n]
            if _holds(self.words[item], ngram):
                by_text[text] = Hit(at - int(first[text]), " ".join(ngram), self.names[item])
        return by_text


def _top(hashes: Hashes, table: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    return hashes >> np.uint64(65 - len(table).bit_length())


def _holds(item: list[str], ngram: list[str]) -> bool:
    n = len(ngram)
    return any(item[i : i + n] == ngram for i in range(len(item) - n + 1))

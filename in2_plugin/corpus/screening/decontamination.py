"""Find documents that share an n-gram of words with an evaluation item (paper, Appendix A).

Invariant: each hit is confirmed word by word, so that no hash collision leaves a document out. Memory: 12 bytes per
n-gram of the evaluation items, and their words; none for the corpus. Cost: about 10 ns per word.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from in2_plugin.corpus.screening.evaluation_items import Item
from in2_plugin.corpus.screening.ngrams import Hashes, ngram_hashes, word_hashes, words_of
from in2_plugin.errors import CorpusError

FILTER_BITS = 22
"""A table of 4 MB rejects most n-grams before the search."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An n-gram that a text shares with an evaluation item."""

    at: int
    """Index of its first word in the text."""
    ngram: str
    item: str


@dataclass(frozen=True, slots=True)
class Contaminants:
    """The n-grams of all evaluation items."""

    n: int
    names: list[str]
    words: list[list[str]]
    """Words of each item."""
    hashes: Hashes
    """(n_ngrams,) ascending and unique."""
    item: npt.NDArray[np.uint32]
    """(n_ngrams,) the first item with each n-gram."""
    filter: npt.NDArray[np.bool_] = field(repr=False)
    short: int
    """Number of items with fewer than n words, which have no n-gram."""

    @classmethod
    def of(cls, items: Iterable[Item], n: int) -> "Contaminants":
        """Index the items.

        Raises:
            CorpusError: there are items, but none has `n` words.
        """
        given = list(items)
        found = words_of([text for _, text in given])
        long = [i for i, one in enumerate(found) if len(one) >= n]
        names, texts = [given[i][0] for i in long], [found[i] for i in long]
        short = len(given) - len(long)
        if short and not names:
            raise CorpusError(
                f"not one of {short:,} evaluation items has {n} words; lower `decontamination.ngram` or check `fields`"
            )
        lengths = np.array([len(one) for one in texts], np.int64)
        item = np.repeat(np.arange(len(texts), dtype=np.uint32), lengths)
        grams = ngram_hashes(word_hashes([word for one in texts for word in one]), n)
        # all items are concatenated: an n-gram that starts in one and ends in the next does not count
        inside = item[: len(grams)] == item[len(item) - len(grams) :]
        item = item[: len(grams)][inside]
        hashes, first = np.unique(grams[inside], return_index=True)
        table = np.zeros(1 << FILTER_BITS, bool)
        table[_top(hashes)] = True
        return cls(n, names, texts, hashes, item[first], table, short)

    def hits(self, found: list[str], hashes: Hashes, first: npt.NDArray[np.int64]) -> dict[int, Hit]:
        """Return the first hit of each of several concatenated texts, by the number of the text.

        Args:
            found: words of all texts.
            hashes: their hashes.
            first: (n_texts + 1,) index of the first word of each text, and the number of words.
        """
        grams = ngram_hashes(hashes, self.n)
        candidates = np.flatnonzero(self.filter[_top(grams)]) if len(self.hashes) else np.zeros(0, np.int64)
        places = np.searchsorted(self.hashes, grams[candidates])
        places[places == len(self.hashes)] = 0
        candidates = candidates[self.hashes[places] == grams[candidates]] if len(candidates) else candidates
        by_text: dict[int, Hit] = {}
        for at in candidates.tolist():
            text = int(np.searchsorted(first, at, side="right")) - 1
            if text in by_text or at + self.n > first[text + 1]:
                continue  # an n-gram across two texts belongs to neither
            ngram = found[at : at + self.n]
            item = int(self.item[np.searchsorted(self.hashes, grams[at])])
            if _holds(self.words[item], ngram):
                by_text[text] = Hit(at - int(first[text]), " ".join(ngram), self.names[item])
        return by_text


def _top(hashes: Hashes) -> npt.NDArray[np.uint64]:
    return hashes >> np.uint64(64 - FILTER_BITS)


def _holds(item: list[str], ngram: list[str]) -> bool:
    n = len(ngram)
    return any(item[i : i + n] == ngram for i in range(len(item) - n + 1))

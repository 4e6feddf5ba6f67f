"""Synthetic text for scale.py: JSON Lines of any size; the same size gives the same bytes.

Words are drawn independently with the frequencies of the bundled corpus, so that hardly anything repeats by chance; one
document in a hundred repeats an earlier one except for its last word. Documents have 2.6 KB on average, like those of
C4 realnewslike (36 GB in 13.8 million). Cost: about 15 MB per second.
"""

import json
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.sources.documents import read_documents

REPEATS = 100
"""Every so many documents repeat an earlier one."""
DRAWN = 200_000
"""Words per draw."""


def make_text(path: Path, megabytes: float) -> int:
    """Write about so many megabytes; return the number of documents."""
    rng, size, number = np.random.default_rng(0), 0, 0
    earlier: deque[list[str]] = deque(maxlen=1_000)
    with path.open("w") as file:
        for made in _documents(rng):
            number += 1
            document = made if number % REPEATS else _repeated(earlier[int(rng.integers(len(earlier)))])
            earlier.append(document)
            size += file.write(json.dumps({"text": "\n".join(document)}) + "\n")
            if size >= megabytes * 1e6:
                return number
    return number


def _repeated(document: list[str]) -> list[str]:
    *same, last = document
    return [*same, f"{last.rpartition(' ')[0]} indeed."]


def _documents(rng: np.random.Generator) -> Iterator[list[str]]:
    """Yield documents of four to thirteen paragraphs of two to five sentences, endlessly."""
    sentences = _sentences(rng)
    while True:
        sizes = rng.integers(2, 6, int(rng.integers(4, 14))).tolist()
        yield [" ".join(next(sentences) for _ in range(size)) for size in sizes]


def _sentences(rng: np.random.Generator) -> Iterator[str]:
    """Yield sentences of six to twenty-five words, endlessly."""
    known = Counter(
        word for document in read_documents(CorpusConfig().sources) for word in document.text.split() if word.isalpha()
    )
    vocabulary, shares = np.array(list(known), object), np.array(list(known.values())) / known.total()
    while True:
        words = rng.choice(vocabulary, DRAWN, p=shares).tolist()
        ends = np.cumsum(rng.integers(6, 26, DRAWN // 25)).tolist()
        signs = rng.choice([".", ".", ".", "?", "!"], len(ends)).tolist()
        for start, end, sign in zip([0, *ends], ends, signs, strict=False):
            yield " ".join(words[start:end]).capitalize() + sign

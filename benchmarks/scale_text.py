"""Made-up news for scale.py: JSON Lines of any size, the same bytes for the same size.

Words are those of the bundled corpus, as often as there, drawn independently, so that hardly anything repeats by
chance; one document in a hundred repeats an earlier one but for its last word. Documents are 2.6 KB on average, as
those of C4's realnewslike (36 GB in 13.8 million). Cost: some 15 MB a second.
"""

import json
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.sources.documents import read_documents

REPEATS = 100
"""One document in so many repeats an earlier one."""
DRAWN = 200_000
"""Words that are drawn at a time."""


def make_text(path: Path, megabytes: float) -> int:
    """Write about so many megabytes; returns the number of documents."""
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
    """Documents of four to thirteen paragraphs of two to five sentences, without end."""
    sentences = _sentences(rng)
    while True:
        sizes = rng.integers(2, 6, int(rng.integers(4, 14))).tolist()
        yield [" ".join(next(sentences) for _ in range(size)) for size in sizes]


def _sentences(rng: np.random.Generator) -> Iterator[str]:
    """Sentences of six to twenty-five words."""
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

"""Cut the beginning of a corpus into a segment store, to try a build file before the whole corpus is read.

Invariant: the same functions make the passages of the sample and those of the build. The sample is the beginning of the
corpus and not a random part of it, because a random part would require reading everything.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from in2_plugin import layout
from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.corpus.tokenizer import ModelTokenizer

SAMPLE_DOCUMENTS = 2_000


@contextmanager
def sample_store(
    folder: Path, corpus: CorpusConfig, seed: int, tokenizer: ModelTokenizer, documents: int = SAMPLE_DOCUMENTS
) -> Iterator[SegmentStore]:
    """Open the store of the dataset in `folder`, or a temporary one of the first `documents` documents of the corpus.

    Raises:
        CorpusError: the corpus cannot be read.
    """
    built = folder / layout.SEGMENTS
    if (built / layout.STORE_FACTS).exists():
        yield SegmentStore(built)
        return
    with tempfile.TemporaryDirectory(prefix="in2-sample-") as temporary:
        yield build_store(
            islice(read_documents(corpus.sources), documents),
            Path(temporary),
            tokenizer,
            segment_tokens=corpus.segment_tokens,
            paper_exact=corpus.paper_exact,
            rng=np.random.default_rng(seed),
        )

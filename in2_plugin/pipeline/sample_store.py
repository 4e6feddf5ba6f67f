"""A small part of a corpus as a segment store, to try a build file on before the whole corpus is read.

Invariant: passages of the sample are made by the same functions as those of the build. The sample is the beginning of
the corpus, not a random part of it: taking one at random would mean reading everything.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.corpus.tokenizer import ModelTokenizer

SAMPLE_DOCUMENTS = 2_000


@contextmanager
def sample_store(
    config: BuildConfig, tokenizer: ModelTokenizer, documents: int = SAMPLE_DOCUMENTS
) -> Iterator[SegmentStore]:
    """The store of the build if it is there, or one of the first `documents` documents that is removed afterwards.

    Raises:
        CorpusError: the corpus cannot be read.
    """
    built = config.output / layout.SEGMENTS
    if (built / layout.STORE_FACTS).exists():
        yield SegmentStore(built)
        return
    with tempfile.TemporaryDirectory(prefix="in2-sample-") as folder:
        yield build_store(
            islice(read_documents(config.corpus.sources), documents),
            Path(folder),
            tokenizer,
            segment_tokens=config.corpus.segment_tokens,
            paper_exact=config.corpus.paper_exact,
            rng=np.random.default_rng(config.seed),
        )

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
from in2_plugin.pipeline.record_pool import add_records

SAMPLE_DOCUMENTS = 2_000


@contextmanager
def sample_store(
    folder: Path,
    corpus: CorpusConfig,
    seed: int,
    tokenizer: ModelTokenizer,
    documents: int = SAMPLE_DOCUMENTS,
    registers: int = 0,
) -> Iterator[SegmentStore]:
    """Open the store of the dataset in `folder`, or a temporary one of the first `documents` documents of the corpus.

    The store of the dataset is used only if it has text, unless `documents` is 0, and records, unless `registers` is 0.

    Args:
        registers: number of registers of invented records in the temporary store.

    Raises:
        CorpusError: the corpus cannot be read.
    """
    built = folder / layout.SEGMENTS
    if (built / layout.STORE_FACTS).exists():
        store = SegmentStore(built)
        if (store.corpus_segments or not documents) and (store.record_segments or not registers):
            yield store
            return
    with tempfile.TemporaryDirectory(prefix="in2-sample-") as temporary:
        yield build_store(
            islice(read_documents(corpus.sources if documents else ()), documents),
            Path(temporary),
            tokenizer,
            segment_tokens=corpus.segment_tokens,
            paper_exact=corpus.paper_exact,
            rng=np.random.default_rng(seed),
            add_more=lambda writer: add_records(writer, tokenizer, registers, seed, corpus.segment_tokens),
        )

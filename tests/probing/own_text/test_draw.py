"""Documents are drawn from those with usable text; what screening has excluded keeps its reason; a draw is final."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from in2_plugin import layout
from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.store import EXCLUSION_SCHEMA, SegmentStore
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.errors import ProbeError
from in2_plugin.probing.own_text.draw import draw_documents, screening_reason

N = 8
SCREENED = (1, 4, 6)
"""Documents that screening has excluded."""


@pytest.fixture
def store(tmp_path, mistral):
    documents = [Document("s", f"s:{i}", f"Document {i} says that {i * n} came. " * 30) for n, i in enumerate(range(N))]
    store = build_store(
        documents, tmp_path / "segments", mistral, segment_tokens=32, paper_exact=False, rng=np.random.default_rng(0)
    )
    ids = [i for document in SCREENED for i in store.segments_of(document)]
    reasons = [pa.array([text] * len(ids)) for text in ("contaminated", "an n-gram", "x")]
    table = pa.table([pa.array(ids, pa.uint32()), *reasons], schema=EXCLUSION_SCHEMA)
    pq.write_table(table, store.folder / layout.EXCLUSIONS)
    return SegmentStore(store.folder)


def drawn(store):
    return set(np.unique(store.document[store.usable]).tolist())


def test_only_usable_documents_are_drawn(store):
    assert not drawn(draw_documents(store, 5, 0)) & set(SCREENED)
    assert len(drawn(SegmentStore(store.folder))) == 5


def test_the_error_counts_usable_documents(store):
    with pytest.raises(ProbeError, match="`documents: 6`, but the corpus has 5 with text that can be used"):
        draw_documents(store, 6, 0)
    with pytest.raises(ProbeError, match="`documents: 1`, but the evidence of the questions is in 2"):
        draw_documents(store, 1, 0, [0, 2])


def test_needed_documents_are_among_them_and_the_seed_draws_the_others(store, tmp_path):
    assert {0, 7} < drawn(draw_documents(store, 3, 0, [7, 0]))


def test_a_stored_draw_is_kept_or_refused(store):
    first = drawn(draw_documents(store, 2, 0, [0]))
    assert drawn(draw_documents(SegmentStore(store.folder), 2, 0, [0])) == first
    other = next(i for i in range(N) if i not in {*SCREENED, *first})
    with pytest.raises(ProbeError, match="drawn for other questions; run `in2 probe build --restart`"):
        draw_documents(SegmentStore(store.folder), 2, 0, [other])


def test_screening_keeps_its_reason(store):
    after = draw_documents(store, 2, 0, [0])
    assert screening_reason(after, store.segments_of(1)[0]) == "contaminated (an n-gram, x)"
    not_drawn = next(i for i in range(N) if i not in {*SCREENED, *drawn(after)})
    assert screening_reason(after, store.segments_of(not_drawn)[0]) is None
    assert screening_reason(after, store.segments_of(0)[0]) is None

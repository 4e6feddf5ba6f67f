"""Draw the documents of a probe by a hash of their content.

The other documents are excluded in the segment store, as screening excludes segments, so no later stage uses them.
Invariants: a document is drawn whatever its place, its file and the number of workers; equal documents are drawn
together. Cost: one pass over the text of the corpus.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.corpus.screening.document_digests import document_digest
from in2_plugin.corpus.store import EXCLUSION_SCHEMA, SegmentStore
from in2_plugin.errors import ProbeError
from in2_plugin.io.atomic import write_atomic

NOT_DRAWN = "not_drawn"
"""Reason of an exclusion."""


def draw_documents(store: SegmentStore, wanted: int, seed: int, needed: Iterable[int] = ()) -> SegmentStore:
    """Exclude all documents but `wanted`, and return the store with these exclusions.

    Args:
        needed: documents that must be among them: those with the evidence of the user's own questions.

    Raises:
        ProbeError: the corpus has fewer documents, or more are needed.
    """
    path = store.folder / layout.EXCLUSIONS
    rows = pq.read_table(path, schema=EXCLUSION_SCHEMA)
    if NOT_DRAWN in rows["reason"].unique().to_pylist():
        return store
    kept = set(needed)
    if max(wanted, len(kept)) > min(wanted, store.facts.documents):
        short = f"the corpus has {store.facts.documents:,}" if wanted > store.facts.documents else None
        reason = short or f"the evidence of the questions is in {len(kept):,}"
        raise ProbeError(f"`documents: {wanted}`, but {reason}; set another number, or leave it out to take all")
    for document in _in_order(store, seed):
        if len(kept) >= wanted:
            break
        kept.add(document)
    others = np.flatnonzero(~np.isin(store.document, np.array(sorted(kept), np.uint32)))
    if not len(others):
        return store
    excluded = pa.table(
        [pa.array(others, pa.uint32()), *(pa.array([text] * len(others)) for text in (NOT_DRAWN, "", ""))],
        schema=EXCLUSION_SCHEMA,
    )
    # a near-duplicate that is not drawn has one row: an exclusion whatever `near_duplicates.remove` says
    rows = rows.filter(pc.invert(pc.is_in(rows["segment_id"], pa.array(others, pa.uint32()))))
    table = pa.concat_tables([rows, excluded]).sort_by("segment_id")
    write_atomic(path, lambda part: pq.write_table(table, part, compression="zstd"))
    return SegmentStore(store.folder)


def _in_order(store: SegmentStore, seed: int) -> list[int]:
    """Return the numbers of all documents, in the order of a hash of seed and content."""
    texts = store.table["text"]
    digests = [
        document_digest(texts.slice(own.start, len(own)).to_pylist())
        for own in map(store.segments_of, range(store.facts.documents))
    ]
    keys = [hashlib.sha256(f"{seed} {digest}".encode()).hexdigest() for digest in digests]
    return sorted(range(len(keys)), key=lambda number: keys[number])

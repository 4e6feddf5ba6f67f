"""Write which documents the examples of a dataset are from: documents.parquet.

A document that only the corpus has is not listed: no model is trained on it. Cost: one pass over the segment ids of
the plans, and over the text of these documents. Memory: 5 bytes per segment of the store.
"""

from pathlib import Path

import numpy as np

from in2_plugin import layout
from in2_plugin.corpus.screening.document_digests import write_digests
from in2_plugin.corpus.store import SegmentStore

BLOCK = 1 << 20
"""Segment ids that are read at a time."""


def write_used_documents(folder: Path) -> int:
    """Write documents.parquet of a dataset folder with finished plans, and return the number of documents."""
    store = SegmentStore(folder / layout.SEGMENTS)
    path = folder / layout.PLANS / layout.PLAN_SEGMENTS
    used = np.zeros(len(store), np.bool_)
    with path.open("rb") as file:
        while block := file.read(4 * BLOCK):
            used[np.frombuffer(block, np.uint32)] = True
    return write_digests(folder / layout.DOCUMENTS, store, np.flatnonzero(used).astype(np.uint32))

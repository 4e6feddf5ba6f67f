"""Draw the documents of a probe by a hash of their content.

The other documents are excluded in the segment store, as screening excludes segments, so no later stage uses them.
Only documents with a segment that screening has kept are drawn. Invariants: a document is drawn whatever its place, its
file and the number of workers; what screening has excluded keeps its reason. Cost: one pass over the text of the
corpus.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
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
        ProbeError: the corpus has fewer usable documents, more are needed, or an interrupted build has drawn others.
    """
    path = store.folder / layout.EXCLUSIONS
    rows = pq.read_table(path, schema=EXCLUSION_SCHEMA)
    left_out = rows.filter(pc.equal(rows["reason"], NOT_DRAWN))["segment_id"].to_numpy()
    screened = store.excluded.copy()
    screened[left_out] = False
    kept = _drawn(store, np.unique(store.document[store.standing_usable & ~screened]), wanted, seed, set(needed))
    others = np.flatnonzero(~np.isin(store.document, np.array(sorted(kept), np.uint32)) & ~screened)
    if len(left_out) and not np.array_equal(left_out, others):
        raise ProbeError(
            f"{store.folder.parent}: its documents were drawn for other questions; run `in2 probe build --restart` to "
            "draw them again"
        )
    if len(left_out) or not len(others):
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


def _drawn(store: SegmentStore, usable: npt.NDArray[np.uint32], wanted: int, seed: int, needed: set[int]) -> set[int]:
    """Return the needed documents and, of the usable ones, the first in the order of a hash of seed and content."""
    if max(wanted, len(needed)) > min(wanted, len(usable)):
        short = f"the corpus has {len(usable):,} with text that can be used" if wanted > len(usable) else None
        reason = short or f"the evidence of the questions is in {len(needed):,}"
        raise ProbeError(f"`documents: {wanted}`, but {reason}; set another number, or leave it out to take all")
    texts = store.table["text"]

    def key(document: int) -> str:
        own = store.segments_of(document)
        digest = document_digest(texts.slice(own.start, len(own)).to_pylist())
        return hashlib.sha256(f"{seed} {digest}".encode()).hexdigest()

    others = sorted((number for number in usable.tolist() if number not in needed), key=key)
    return needed | set(others[: wanted - len(needed)])


def screening_reason(store: SegmentStore, segment: int) -> str | None:
    """Return why screening excludes a segment, or None if it does not."""
    if not store.excluded[segment]:
        return None
    path = store.folder / layout.EXCLUSIONS
    (row,) = pq.read_table(path, schema=EXCLUSION_SCHEMA, filters=[("segment_id", "=", segment)]).to_pylist()
    if row["reason"] == NOT_DRAWN:
        return None
    where = ", ".join(filter(None, (row["detail"], row["source"])))
    return f"{row['reason']} ({where})" if where else str(row["reason"])

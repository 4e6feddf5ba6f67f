"""Checks of the segment store: its files agree with each other."""

from pathlib import Path

import numpy as np

from in2_plugin.corpus.store import SegmentStore
from in2_plugin.inspection.finding import Report

ADVICE = "run `in2 build --restart` to cut the corpus again; answers that were paid for are kept"
BATCH = 65_536


def segments(folder: Path, report: Report) -> str:
    """Every segment has text, a place in its document, and a known standing."""
    store = SegmentStore(folder / "segments")
    table, where = store.table, "segments/segments.arrow"
    if table.num_rows != store.facts.segments:
        report.wrong(where, f"has {table.num_rows:,} segments, and store.json says {store.facts.segments:,}", ADVICE)
    first = 0
    for batch in table.to_batches(max_chunksize=BATCH):
        starts, stops = (batch[name].to_numpy() for name in ("start", "stop"))
        # the text of a segment is what lies between its places
        lengths = np.fromiter((len(text.as_py()) for text in batch["text"]), np.int64, len(batch))
        for row in np.flatnonzero((lengths == 0) | (stops.astype(np.int64) - starts != lengths)):
            report.wrong(f"{where}, row {first + row}", "text and place do not agree", ADVICE)
        first += len(batch)
    return f"{table.num_rows:,} segments"


def token_ids(folder: Path, report: Report) -> str:
    """offsets.bin cuts ids.bin into the numbers of tokens that the table says."""
    store = SegmentStore(folder / "segments")
    offsets = np.fromfile(folder / "segments/offsets.bin", np.int64)
    size = (folder / "segments/ids.bin").stat().st_size
    n_tokens = np.asarray(store.n_tokens)
    if len(offsets) != len(n_tokens) + 1 or offsets[0] != 0 or offsets[-1] * store.id_type.itemsize != size:
        report.wrong("segments/offsets.bin", "does not cover ids.bin segment by segment", ADVICE)
        return "sizes"
    for row in np.flatnonzero(np.diff(offsets) != n_tokens):
        report.wrong(f"segments/offsets.bin, segment {row}", "its ids are not as many as the table says", ADVICE)
    if store.facts.tokens != offsets[-1]:
        report.wrong("segments/store.json", f"says {store.facts.tokens:,} tokens for {offsets[-1]:,}", ADVICE)
    return f"{offsets[-1]:,} token ids"


def documents(folder: Path, report: Report) -> str:
    """The documents follow each other without gap, and each segment knows its own."""
    store = SegmentStore(folder / "segments")
    firsts, counts = (store.documents[name].to_numpy() for name in ("first_segment", "n_segments"))
    where = "segments/documents.arrow"
    if len(firsts) != store.facts.documents:
        report.wrong(where, f"has {len(firsts):,} documents, and store.json says {store.facts.documents:,}", ADVICE)
    expected = np.repeat(np.arange(len(firsts)), counts)
    cumulative = np.concatenate([[0], np.cumsum(counts)])
    for row in np.flatnonzero(cumulative[:-1] != firsts):
        report.wrong(f"{where}, row {row}", "does not begin where the one before it ends", ADVICE)
    if len(expected) != len(store.document) or (expected != np.asarray(store.document)).any():
        report.wrong(where, "does not cover the segments as they name their documents", ADVICE)
    return f"{len(firsts):,} documents"

"""Checks of the segment store: its files agree with each other.

`segment_files` comes before all that opens a table: Arrow reads offsets from a mapped file without looking at them, so
that a damaged one would end the process. Cost: one pass over the texts, at about the speed of the disk.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from in2_plugin import layout
from in2_plugin.corpus.standing import Standing
from in2_plugin.corpus.store import COLUMNS, DOCUMENT_SCHEMA, SEGMENT_SCHEMA, SegmentStore
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import one_line
from in2_plugin.inspection.report import Report

ADVICE = "run `in2 build --restart` to cut the corpus again; answers that were paid for are kept"
SCREEN_AGAIN = (
    "remove segments/exclusions.parquet and every file of a later stage, and run `in2 build` again; answers come from "
    "the work log"
)
FILES = (layout.SEGMENT_TABLE, layout.DOCUMENT_TABLE, layout.SEGMENT_IDS, layout.SEGMENT_OFFSETS, *COLUMNS)
BATCH = 65_536


def segment_files(folder: Path, report: Report) -> str:
    """Every file of the store is there, and its tables are sound as Arrow files."""
    missing = [name for name in FILES if not (folder / layout.SEGMENTS / name).exists()]
    for name in missing:
        report.wrong(f"segments/{name}", "is not there", ADVICE)
    if missing:
        return f"{len(FILES) - len(missing)} files"
    store = SegmentStore(folder / layout.SEGMENTS)
    tables = (
        (layout.SEGMENT_TABLE, store.table, SEGMENT_SCHEMA),
        (layout.DOCUMENT_TABLE, store.documents, DOCUMENT_SCHEMA),
    )
    for name, table, schema in tables:
        try:
            table.validate(full=True)
        except pa.ArrowInvalid as failure:
            said = one_line(failure)
            report.wrong(f"segments/{name}", f"is damaged ({said})", ADVICE)
            continue
        if table.schema != schema or any(column.null_count for column in table.columns):
            report.wrong(f"segments/{name}", "has other columns than it must have, or empty places in them", ADVICE)
    return f"{len(FILES)} files"


def segments(folder: Path, report: Report) -> str:
    """Every segment has text, a place in its document, and a known standing."""
    store = SegmentStore(folder / layout.SEGMENTS)
    table, where = store.table, f"{layout.SEGMENTS}/{layout.SEGMENT_TABLE}"
    if table.num_rows != store.facts.segments:
        report.wrong(where, f"has {table.num_rows:,} segments, and store.json says {store.facts.segments:,}", ADVICE)
    first = 0
    for batch in table.to_batches(max_chunksize=BATCH):
        starts, stops = (batch[name].to_numpy() for name in ("start", "stop"))
        # the text of a segment is what lies between its places
        lengths = np.fromiter((len(text.as_py()) for text in batch["text"]), np.int64, len(batch))
        for row in np.flatnonzero((lengths == 0) | (stops.astype(np.int64) - starts != lengths)):
            report.wrong(f"{where}, row {first + row}", "text and place do not agree", ADVICE)
        for row in np.flatnonzero(~np.isin(batch["standing"].to_numpy(), list(Standing))):
            report.wrong(f"{where}, row {first + row}", "has an unknown standing", ADVICE)
        for name in ("document", "n_tokens", "standing"):
            flat = getattr(store, name)[first : first + len(batch)]
            for row in np.flatnonzero(flat != batch[name].to_numpy()[: len(flat)]):
                report.wrong(f"segments/{name}.bin, row {first + row}", "is not what segments.arrow says", ADVICE)
        first += len(batch)
    return f"{table.num_rows:,} segments"


def screening(folder: Path, report: Report) -> str:
    """What was left out is in the store, said once, and with a reason."""
    n, seen, count = len(SegmentStore(folder / layout.SEGMENTS)), -1, 0
    for row in read_rows(folder / layout.STAGES["screening"]):
        where = f"segments/exclusions.parquet, row {count}"
        if not seen < row["segment_id"] < n:
            report.wrong(where, "names a segment twice, out of order, or one that does not exist", SCREEN_AGAIN)
        if not row["reason"]:
            report.wrong(where, "has no reason", SCREEN_AGAIN)
        seen = row["segment_id"]
        count += 1
    return f"{count:,} rows"


def token_ids(folder: Path, report: Report) -> str:
    """offsets.bin cuts ids.bin into the numbers of tokens that the table says."""
    store = SegmentStore(folder / layout.SEGMENTS)
    path = folder / layout.SEGMENTS / layout.SEGMENT_OFFSETS
    offsets = np.fromfile(path, np.int64)
    size = (folder / layout.SEGMENTS / layout.SEGMENT_IDS).stat().st_size
    n_tokens = np.asarray(store.n_tokens)
    covers = len(offsets) == len(n_tokens) + 1 and offsets.nbytes == path.stat().st_size
    if not covers or offsets[0] != 0 or offsets[-1] != size:
        report.wrong(f"{layout.SEGMENTS}/{layout.SEGMENT_OFFSETS}", "does not cover ids.bin segment by segment", ADVICE)
        return "sizes"
    for row in np.flatnonzero(np.diff(offsets) != n_tokens * np.int64(store.id_type.itemsize)):
        report.wrong(f"segments/offsets.bin, segment {row}", "its ids are not as many as the table says", ADVICE)
    tokens = size // store.id_type.itemsize
    if store.facts.tokens != tokens:
        report.wrong(layout.STAGES["segments"], f"says {store.facts.tokens:,} tokens for {tokens:,}", ADVICE)
    return f"{tokens:,} token ids"


def documents(folder: Path, report: Report) -> str:
    """The documents follow each other without gap, and each segment knows its own."""
    store = SegmentStore(folder / layout.SEGMENTS)
    firsts, counts = (store.documents[name].to_numpy() for name in ("first_segment", "n_segments"))
    where = f"{layout.SEGMENTS}/{layout.DOCUMENT_TABLE}"
    if len(firsts) != store.facts.documents:
        report.wrong(where, f"has {len(firsts):,} documents, and store.json says {store.facts.documents:,}", ADVICE)
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    # damaged counts may add up to anything: nothing of that size is made
    if total != len(store.document) or (np.repeat(np.arange(len(counts)), counts) != np.asarray(store.document)).any():
        report.wrong(where, "does not cover the segments as they name their documents", ADVICE)
    for row in np.flatnonzero(ends - counts != firsts):
        report.wrong(f"{where}, row {row}", "does not begin where the one before it ends", ADVICE)
    return f"{len(firsts):,} documents"

"""Check that the files of the segment store agree with each other.

`check_segment_files` runs before anything opens a table: Arrow uses the offsets in a mapped file without validating
them, so a damaged one would crash the process. Cost: one pass over the texts, at about the speed of the disk.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from in2_plugin import layout
from in2_plugin.corpus.store import COLUMNS, DOCUMENT_SCHEMA, SEGMENT_SCHEMA, SegmentStatus, SegmentStore
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import one_line
from in2_plugin.inspection.report import REBUILD_SCREENING, RESTART, CheckReport

FILES = (layout.SEGMENT_TABLE, layout.DOCUMENT_TABLE, layout.SEGMENT_IDS, layout.SEGMENT_OFFSETS, *COLUMNS)
BATCH = 65_536


def check_segment_files(folder: Path, report: CheckReport) -> str:
    """Check that every file of the store exists and that its tables are valid Arrow files."""
    missing = [name for name in FILES if not (folder / layout.SEGMENTS / name).exists()]
    for name in missing:
        report.error(f"segments/{name}", "is missing", RESTART)
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
            report.error(f"segments/{name}", f"is damaged ({one_line(failure)})", RESTART)
            continue
        if table.schema != schema or any(column.null_count for column in table.columns):
            report.error(f"segments/{name}", "columns are missing or unknown, or contain nulls", RESTART)
    return f"{len(FILES)} files"


def check_segments(folder: Path, report: CheckReport) -> str:
    """Check that every segment has text, a position in its document and a known standing."""
    store = SegmentStore(folder / layout.SEGMENTS)
    table, where = store.table, f"{layout.SEGMENTS}/{layout.SEGMENT_TABLE}"
    if table.num_rows != store.facts.segments:
        report.error(
            where, f"contains {table.num_rows:,} segments, but store.json gives {store.facts.segments:,}", RESTART
        )
    first = 0
    for batch in table.to_batches(max_chunksize=BATCH):
        starts, stops = (batch[name].to_numpy() for name in ("start", "stop"))
        # the text of a segment is its document from `start` to `stop`
        lengths = np.fromiter((len(text.as_py()) for text in batch["text"]), np.int64, len(batch))
        for row in np.flatnonzero((lengths == 0) | (stops.astype(np.int64) - starts != lengths)):
            report.error(f"{where}, row {first + row}", "length of the text differs from its position", RESTART)
        for row in np.flatnonzero(~np.isin(batch["standing"].to_numpy(), list(SegmentStatus))):
            report.error(f"{where}, row {first + row}", "unknown standing", RESTART)
        for name in ("document", "n_tokens", "standing"):
            flat = getattr(store, name)[first : first + len(batch)]
            for row in np.flatnonzero(flat != batch[name].to_numpy()[: len(flat)]):
                report.error(f"segments/{name}.bin, row {first + row}", "differs from segments.arrow", RESTART)
        first += len(batch)
    return f"{table.num_rows:,} segments"


def check_screening(folder: Path, report: CheckReport) -> str:
    """Check that every excluded segment exists, is listed once, and has a reason."""
    n, seen, count = len(SegmentStore(folder / layout.SEGMENTS)), -1, 0
    for row in read_rows(folder / layout.STAGES["screening"]):
        where = f"segments/exclusions.parquet, row {count}"
        if not seen < row["segment_id"] < n:
            report.error(where, "segment is listed twice, out of order, or does not exist", REBUILD_SCREENING)
        if not row["reason"]:
            report.error(where, "has no reason", REBUILD_SCREENING)
        seen = row["segment_id"]
        count += 1
    return f"{count:,} rows"


def check_token_ids(folder: Path, report: CheckReport) -> str:
    """Check that offsets.bin divides ids.bin into the token counts of the segment table."""
    store = SegmentStore(folder / layout.SEGMENTS)
    path = folder / layout.SEGMENTS / layout.SEGMENT_OFFSETS
    offsets = np.fromfile(path, np.int64)
    size = (folder / layout.SEGMENTS / layout.SEGMENT_IDS).stat().st_size
    n_tokens = np.asarray(store.n_tokens)
    covers = len(offsets) == len(n_tokens) + 1 and offsets.nbytes == path.stat().st_size
    if not covers or offsets[0] != 0 or offsets[-1] != size:
        report.error(f"{layout.SEGMENTS}/{layout.SEGMENT_OFFSETS}", "does not match the size of ids.bin", RESTART)
        return "sizes"
    for row in np.flatnonzero(np.diff(offsets) != n_tokens * np.int64(store.id_type.itemsize)):
        report.error(f"segments/offsets.bin, segment {row}", "number of ids differs from the segment table", RESTART)
    tokens = size // store.id_type.itemsize
    if store.facts.tokens != tokens:
        report.error(layout.STAGES["segments"], f"gives {store.facts.tokens:,} tokens instead of {tokens:,}", RESTART)
    return f"{tokens:,} token ids"


def check_documents(folder: Path, report: CheckReport) -> str:
    """Check that the documents cover the segments without gaps, and that each segment refers to its document."""
    store = SegmentStore(folder / layout.SEGMENTS)
    firsts, counts = (store.documents[name].to_numpy() for name in ("first_segment", "n_segments"))
    where = f"{layout.SEGMENTS}/{layout.DOCUMENT_TABLE}"
    if len(firsts) != store.facts.documents:
        report.error(
            where, f"contains {len(firsts):,} documents, but store.json gives {store.facts.documents:,}", RESTART
        )
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    # damaged counts may add up to any number: compare the total before allocating that much
    if total != len(store.document) or (np.repeat(np.arange(len(counts)), counts) != np.asarray(store.document)).any():
        report.error(where, "does not match the document numbers of the segments", RESTART)
    for row in np.flatnonzero(ends - counts != firsts):
        report.error(f"{where}, row {row}", "does not begin where the previous document ends", RESTART)
    return f"{len(firsts):,} documents"

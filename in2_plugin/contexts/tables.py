"""Questions, rejections and examples as Parquet files: one schema each, one writer, one reader.

Files are sealed, written in row groups of a thousand, and the same rows give the same bytes.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin.questions import Rejection
from in2_plugin.sealing import seal

IDS = pa.list_(pa.uint32())
QUESTIONS = pa.schema(
    [
        ("kind", pa.string()),
        ("form", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("document", pa.uint32()),
        ("segment_ids", IDS),
        ("gold", IDS),
        ("exclusive", pa.list_(pa.string())),
        ("writer", pa.string()),
    ]
)
REJECTED = pa.schema([*QUESTIONS, ("reason", pa.string())])
EXAMPLES = pa.schema(
    [
        ("kind", pa.string()),
        ("form", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("document", pa.uint32()),
        ("segment_ids", IDS),
        (
            "gold",
            pa.list_(pa.struct([("segment_id", pa.uint32()), ("start", pa.uint32()), ("stop", pa.uint32())])),
        ),
        ("n_tokens", pa.uint32()),
        ("n_answer_tokens", pa.uint32()),
    ]
)
ROW_GROUP = 1_000


def write_rows(path: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema) -> int:
    """Seal a Parquet file of `rows`; returns their number. Memory is bounded by one row group."""
    count = 0

    def write(part: Path) -> None:
        nonlocal count
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            remaining = iter(rows)
            while group := list(islice(remaining, ROW_GROUP)):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                count += len(group)

    seal(path, write)
    return count


def rejection_row(rejection: Rejection) -> dict[str, Any]:
    """A row of rejected.parquet for a passage that gave no question."""
    passage = rejection.passage
    known = {"kind": passage.kind, "document": passage.document, "segment_ids": passage.segment_ids}
    return {**known, "reason": rejection.reason}


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet file, one row group in memory at a time."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group).to_pylist()

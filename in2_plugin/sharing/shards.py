"""Write the Parquet files of an export, one after another, with bounded memory.

Invariant: a file gets its final name, `train-00000-of-00003.parquet`, when all files are complete, because the name
contains their number. Cost: memory for one row group (32 MB of Arrow data); each file is read again for its digest,
usually from the page cache.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin.io.atomic import commit_part

ROW_GROUP_BYTES = 32_000_000
"""Arrow data before compression: readers hold one row group in memory too."""


@dataclass(frozen=True, slots=True)
class ExportShard:
    """One finished file."""

    name: str
    rows: int
    sha256: str


class ShardWriter:
    """Writes record batches to shards of about `shard_bytes` of Arrow data; `finish` gives them their names."""

    def __init__(self, folder: Path, schema: pa.Schema, shard_bytes: int) -> None:
        self._folder, self._schema, self._shard_bytes = folder, schema, shard_bytes
        self._group: list[pa.RecordBatch] = []
        self._file: pq.ParquetWriter | None = None
        self._pending = self._written = 0
        self._rows: list[int] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows, all to the same shard."""
        self._group.append(batch)
        self._pending += batch.nbytes
        if self._pending >= min(ROW_GROUP_BYTES, self._shard_bytes - self._written):
            self._flush()
            if self._written >= self._shard_bytes:
                self._close()

    def finish(self) -> list[ExportShard]:
        """Close the last shard, and give all shards their names. An export without rows has one empty shard."""
        if self._group or not self._rows:
            self._flush()
        self._close()
        return [self._named(i, rows) for i, rows in enumerate(self._rows)]

    def abandon(self) -> None:
        """Close the open file; unfinished files keep their `.part` names."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _flush(self) -> None:
        if self._file is None:
            self._file = pq.ParquetWriter(self._part(len(self._rows)), self._schema, compression="zstd")
            self._rows.append(0)
        table = pa.Table.from_batches(self._group, self._schema).combine_chunks()
        self._file.write_table(table, row_group_size=max(1, table.num_rows))
        self._rows[-1] += table.num_rows
        self._written += self._pending
        self._pending = 0
        self._group.clear()

    def _close(self) -> None:
        self.abandon()
        self._written = 0

    def _part(self, number: int) -> Path:
        return self._folder / f"train-{number:05d}.parquet.part"

    def _named(self, number: int, rows: int) -> ExportShard:
        path = self._folder / f"train-{number:05d}-of-{len(self._rows):05d}.parquet"
        self._part(number).rename(path.with_name(path.name + ".part"))
        commit_part(path)
        with path.open("rb") as file:
            return ExportShard(path.name, rows, hashlib.file_digest(file, "sha256").hexdigest())

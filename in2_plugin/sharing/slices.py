"""Divide the examples of a dataset into slices of a few rows; each worker reads its slices itself.

Invariant: slices depend only on examples.parquet, and in order they cover its rows. Cost: a worker holds one row group,
a thousand rows of about 2 KB, and reads it once for consecutive slices.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.sharing.formats import Conversion

ROWS_PER_SLICE = 8
"""Examples of 32K tokens take about 0.3 MB each."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows [start, stop) of a row group."""

    group: int
    start: int
    stop: int


def slices_of(examples: Path) -> list[Slice]:
    """Return slices that cover all rows of a Parquet file, in order."""
    metadata = pq.read_metadata(examples)
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    return [
        Slice(group, start, min(start + ROWS_PER_SLICE, size))
        for group, size in enumerate(sizes)
        for start in range(0, size, ROWS_PER_SLICE)
    ]


@dataclass(slots=True)
class SliceConverter:
    """Converts slices of one dataset."""

    conversion: Conversion
    _held: tuple[int, pa.Table] | None = field(default=None, repr=False)

    def __getstate__(self) -> Conversion:
        return self.conversion

    def __setstate__(self, conversion: Conversion) -> None:
        self.conversion, self._held = conversion, None

    @property
    def examples(self) -> Path:
        """The examples.parquet of the dataset."""
        return self.conversion.dataset.folder / layout.EXAMPLES

    @property
    def needs(self) -> list[Path]:
        """Files that a worker opens."""
        return [self.examples, *self.conversion.dataset.store.files]

    def __call__(self, rows: Slice) -> pa.RecordBatch:
        """Convert the rows of a slice to rows of the export.

        Raises:
            TokenizerError, DatasetError: see `Conversion`.
        """
        return self.conversion(self._group(rows.group).slice(rows.start, rows.stop - rows.start).to_pylist())

    def _group(self, group: int) -> pa.Table:
        if self._held is None or self._held[0] != group:
            with pq.ParquetFile(self.examples) as file:
                self._held = group, file.read_row_group(group)
        return self._held[1]

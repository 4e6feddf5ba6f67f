"""The examples of a dataset in slices of a few rows, which whoever converts them reads itself.

Invariant: slices follow from examples.parquet alone, and one behind the other they are its rows. Cost: a worker holds
one row group, a thousand rows of about 2 KB, and reads it once for all the slices that it is given of it.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.sharing.formats import Conversion

ROWS = 8
"""Examples that are converted at once: 8 of 32K tokens are about 2.4 MB."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows [start, stop) of a row group."""

    group: int
    start: int
    stop: int


def slices_of(examples: Path) -> list[Slice]:
    """All rows of a Parquet file, in order."""
    metadata = pq.read_metadata(examples)
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    return [
        Slice(group, start, min(start + ROWS, size))
        for group, size in enumerate(sizes)
        for start in range(0, size, ROWS)
    ]


@dataclass(slots=True)
class Slicing:
    """Converts slices of one dataset."""

    conversion: Conversion
    _held: tuple[int, pa.Table] | None = field(default=None, repr=False)

    def __getstate__(self) -> Conversion:
        return self.conversion

    def __setstate__(self, conversion: Conversion) -> None:
        self.conversion, self._held = conversion, None

    @property
    def examples(self) -> Path:
        """The file that the rows are read from."""
        return self.conversion.dataset.folder / layout.EXAMPLES

    @property
    def needs(self) -> list[Path]:
        """The files that a worker opens."""
        return [self.examples, *self.conversion.dataset.store.files]

    def __call__(self, rows: Slice) -> pa.RecordBatch:
        """The rows of a slice as rows of the export.

        Raises:
            TokenizerError, DatasetError: see `Conversion`.
        """
        return self.conversion(self._group(rows.group).slice(rows.start, rows.stop - rows.start).to_pylist())

    def _group(self, group: int) -> pa.Table:
        if self._held is None or self._held[0] != group:
            with pq.ParquetFile(self.examples) as file:
                self._held = group, file.read_row_group(group)
        return self._held[1]

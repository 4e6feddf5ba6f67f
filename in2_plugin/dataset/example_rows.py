"""Read single rows of examples.parquet by number.

Plans hold token ids alone; this is for readers that need the text of questions and answers in any order. Cost: reads
the row group of the row, a thousand rows of about 2 KB, in a few milliseconds; consecutive rows of a group share it.
"""

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin import layout


class ExampleRows:
    """Rows of the examples in a dataset folder. Pickles as its path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / layout.EXAMPLES
        metadata = pq.read_metadata(self._path)
        sizes = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        self._begins: list[int] = [0, *accumulate(sizes)]
        self._held: tuple[int, pa.Table] | None = None

    def __reduce__(self) -> tuple[type["ExampleRows"], tuple[Path]]:
        return ExampleRows, (self._folder,)

    def __len__(self) -> int:
        return self._begins[-1]

    def __getitem__(self, number: int) -> dict[str, Any]:
        if not 0 <= number < len(self):
            raise IndexError(number)
        group = bisect_right(self._begins, number) - 1
        if self._held is None or self._held[0] != group:
            with pq.ParquetFile(self._path) as file:
                self._held = group, file.read_row_group(group)
        row: dict[str, Any] = self._held[1].slice(number - self._begins[group], 1).to_pylist()[0]
        return row

"""Slices cover the rows of examples.parquet in order, and each worker reads its own."""

import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from in2_plugin.sharing.formats import Conversion, Format
from in2_plugin.sharing.slices import ROWS_PER_SLICE, Slice, SliceConverter, slices_of


@pytest.mark.parametrize("sizes", [[], [1], [8], [9], [20, 7, 8]])
def test_slices_cover_every_row_once(tmp_path, sizes):
    schema = pa.schema([("n", pa.int64())])
    with pq.ParquetWriter(tmp_path / "rows.parquet", schema) as writer:
        for size in sizes:
            writer.write_table(pa.table({"n": range(size)}, schema=schema), row_group_size=size)
    slices = slices_of(tmp_path / "rows.parquet")
    covered = [(rows.group, row) for rows in slices for row in range(rows.start, rows.stop)]
    assert covered == [(group, row) for group, size in enumerate(sizes) for row in range(size)]
    assert all(0 < rows.stop - rows.start <= ROWS_PER_SLICE for rows in slices)


def test_a_slice_is_those_rows_converted(in_chat):
    conversion = Conversion(in_chat.dataset, Format.MESSAGES, in_chat.tokenizer)
    slicing = SliceConverter(conversion)
    rows = list(in_chat.dataset.rows())
    assert slicing(Slice(0, 3, 5)).equals(conversion(rows[3:5]))
    # what a worker gets holds no row, whatever was read here
    travelled = pickle.loads(pickle.dumps(slicing))
    assert travelled(Slice(0, 8, 9)).equals(slicing(Slice(0, 8, 9)))
    assert abs(len(pickle.dumps(slicing)) - len(pickle.dumps(SliceConverter(conversion)))) < 100

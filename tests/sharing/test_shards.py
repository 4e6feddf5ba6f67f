import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from in2_plugin.sharing import shards
from in2_plugin.sharing.shards import ShardWriter

SCHEMA = pa.schema([("x", pa.list_(pa.int32()))])


def batch(first: int, rows: int = 2) -> pa.RecordBatch:
    """Rows of a hundred numbers: about 400 bytes each."""
    return pa.RecordBatch.from_pylist([{"x": [first + i] * 100} for i in range(rows)], schema=SCHEMA)


def written(folder, shard_bytes: int, batches: int) -> list[shards.ExportShard]:
    writer = ShardWriter(folder, SCHEMA, shard_bytes)
    for i in range(batches):
        writer.add(batch(2 * i))
    return writer.finish()


def first_numbers(folder) -> list[int]:
    """In the order of the files' names."""
    return [row[0] for path in sorted(folder.iterdir()) for row in pq.read_table(path)["x"].to_pylist()]


@pytest.mark.parametrize(("shard_bytes", "files"), [(1_000_000, 1), (2_000, 4), (1, 10)])
def test_files_contain_all_rows_in_order(tmp_path, shard_bytes, files):
    done = written(tmp_path, shard_bytes, 10)
    names = [f"train-{i:05d}-of-{files:05d}.parquet" for i in range(files)]
    assert [shard.name for shard in done] == names == sorted(path.name for path in tmp_path.iterdir())
    assert first_numbers(tmp_path) == list(range(20))
    assert sum(shard.rows for shard in done) == 20
    for shard in done:
        assert shard.sha256 == hashlib.sha256((tmp_path / shard.name).read_bytes()).hexdigest()


def test_an_empty_export_is_one_file_with_the_columns(tmp_path):
    (done,) = written(tmp_path, 1_000, 0)
    assert done.rows == 0
    assert pq.read_schema(tmp_path / done.name).names == ["x"]


def test_memory_is_one_row_group(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 1_500)
    (done,) = written(tmp_path, 1_000_000, 10)
    with pq.ParquetFile(tmp_path / done.name) as file:
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4] * 5


def test_no_file_has_its_final_name_before_all_are_complete(tmp_path):
    writer = ShardWriter(tmp_path, SCHEMA, 1)
    for i in range(3):
        writer.add(batch(i))
    writer.abandon()
    assert {path.suffix for path in tmp_path.iterdir()} == {".part"}

from pathlib import Path

import pyarrow as pa

from in2_plugin.io.arrow_stream import read_batches, serialize_batch


def test_batches_of_different_schemas_round_trip(tmp_path: Path) -> None:
    numbers, texts = pa.record_batch({"n": [1, 2]}), pa.record_batch({"t": ["a"]})
    path = tmp_path / "0.arrow"
    path.write_bytes(serialize_batch(numbers, {"kind": 3}) + serialize_batch(texts))
    assert [(batch.to_pydict(), metadata) for batch, metadata in read_batches(path)] == [
        ({"n": [1, 2]}, {"kind": 3}),
        ({"t": ["a"]}, {}),
    ]


def test_an_empty_file_has_no_batches(tmp_path: Path) -> None:
    (tmp_path / "0.arrow").touch()
    assert list(read_batches(tmp_path / "0.arrow")) == []

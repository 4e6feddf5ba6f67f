"""Files of concatenated Arrow streams, one record batch each: the format of a shard's file."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa


def serialize_batch(batch: pa.RecordBatch, metadata: Mapping[str, int] | None = None) -> bytes:
    """Serialize one batch as a stream, with integers as schema metadata."""
    sink = pa.BufferOutputStream()
    batch = batch.replace_schema_metadata({name: str(value) for name, value in (metadata or {}).items()})
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def read_batches(path: Path) -> Iterator[tuple[pa.RecordBatch, dict[str, int]]]:
    """Yield the batches of a file, memory-mapped, each with its metadata."""
    if path.stat().st_size == 0:
        return
    with pa.memory_map(str(path)) as file:
        while file.tell() < file.size():
            stream = pa.ipc.open_stream(file)
            metadata = {name.decode(): int(value) for name, value in (stream.schema.metadata or {}).items()}
            yield stream.read_next_batch(), metadata
            with suppress(StopIteration):
                stream.read_next_batch()  # moves the file past the end of the stream

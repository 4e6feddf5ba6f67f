"""Arrow streams, one behind the other: what a shard's file is made of."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa


def serialize_batch(batch: pa.RecordBatch, facts: Mapping[str, int] | None = None) -> bytes:
    """One stream of one batch, with some facts about it."""
    sink = pa.BufferOutputStream()
    metadata = {name: str(value) for name, value in (facts or {}).items()}
    batch = batch.replace_schema_metadata(metadata)
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def read_batches(path: Path) -> Iterator[tuple[pa.RecordBatch, dict[str, int]]]:
    """The batches of a shard's file, memory-mapped, each with its facts."""
    if path.stat().st_size == 0:
        return
    with pa.memory_map(str(path)) as file:
        while file.tell() < file.size():
            stream = pa.ipc.open_stream(file)
            facts = {name.decode(): int(value) for name, value in (stream.schema.metadata or {}).items()}
            yield stream.read_next_batch(), facts
            with suppress(StopIteration):
                stream.read_next_batch()  # leaves the file behind the stream's end

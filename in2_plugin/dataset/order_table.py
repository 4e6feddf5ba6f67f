"""Store the example orders of a dataset in one Arrow file, one shard per record batch; workers plan from it.

Invariant: orders are read as they were written. Cost: about 0.7 KB per question. The file is memory-mapped: a reader
holds one shard in memory.
"""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from in2_plugin.dataset.tables import CONVERSATIONS, QUESTIONS, conversation_of, question_of, question_row
from in2_plugin.examples.planner import ContextOrder, Conversation, Order
from in2_plugin.examples.positions import Draw
from in2_plugin.execution.process_pool import in_chunks

ORDERS = pa.schema(
    [
        ("number", pa.uint32()),
        ("questions", pa.list_(pa.struct(list(QUESTIONS)))),
        ("length", pa.float64()),
        ("places", pa.list_(pa.float64())),
        ("conversation", pa.struct(list(CONVERSATIONS))),
    ]
)
"""A row has either a conversation or the other columns; null places mean that segments are shuffled."""


class StoredOrders:
    """The orders of a file, by shard. Pickles as the path of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[type["StoredOrders"], tuple[Path]]:
        return StoredOrders, (self.path,)

    @cached_property
    def _file(self) -> pa.RecordBatchFileReader:
        return pa.ipc.open_file(pa.memory_map(str(self.path)))

    @property
    def shards(self) -> int:
        """Number of shards."""
        return int(self._file.num_record_batches)

    def __getitem__(self, shard: int) -> list[Order]:
        return [_order_of(row) for row in self._file.get_batch(shard).to_pylist()]


def write_orders(path: Path, orders: Iterable[Order], size: int, made_of: str) -> None:
    """Write orders in shards of `size`; `made_of`, the digest of their inputs, goes into the file's metadata."""
    schema = ORDERS.with_metadata({"made_of": made_of})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for shard in in_chunks(orders, size):
            writer.write_batch(pa.RecordBatch.from_pylist([_row_of(order) for order in shard], schema=schema))


def _row_of(order: Order) -> dict[str, Any]:
    if isinstance(order, Conversation):
        turns = [{"question": question, "answer": answer} for question, answer in order.turns]
        return {"conversation": {"source": order.source, "turns": turns}}
    draw, questions = order.draw, [question_row(question) for question in order.questions]
    return {"number": order.number, "questions": questions, "length": draw.length, "places": draw.places}


def _order_of(row: dict[str, Any]) -> Order:
    if row["conversation"] is not None:
        return conversation_of(row["conversation"])
    places = None if row["places"] is None else tuple(row["places"])
    return ContextOrder(row["number"], tuple(map(question_of, row["questions"])), Draw(row["length"], places))

"""Orders are read as they were written."""

import pickle

import pytest

from in2_plugin.dataset.order_table import StoredOrders, write_orders
from in2_plugin.examples.planner import ContextOrder, Conversation
from in2_plugin.examples.positions import Draw
from in2_plugin.questions import Kind, Question

ONE = Question(Kind.FINE_GRAINED, "f", "Wie heißt „es“?", "So.", 3, (7,), (7,), ("es", "So."), "test")
OTHER = Question(
    Kind.INTEGRATION, "g", "Q?", "A.", 2**32 - 1, (4, 5, 6), (4, 6), (), "test", ("answerable",), "0af3", True
)
ORDERS = [
    ContextOrder(0, (ONE,), Draw(1 / 3, (0.1 + 0.2,))),
    Conversation("chats.jsonl:3", (("Say hello.", "Hello!"), ("", "Again!"))),
    ContextOrder(2, (ONE, OTHER), Draw(0.9, None)),
    ContextOrder(3, (OTHER,), Draw(0.0, ())),
    ContextOrder(4, (ONE,), Draw(0.5, (5e-324, 1 - 2**-53))),
]


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_orders_survive_the_round_trip(tmp_path, size):
    write_orders(tmp_path / "orders.arrow", iter(ORDERS), size, "of this")
    stored = pickle.loads(pickle.dumps(StoredOrders(tmp_path / "orders.arrow")))
    assert stored.shards == -(-len(ORDERS) // size)
    shards = [stored[shard] for shard in range(stored.shards)]
    assert [order for shard in shards for order in shard] == ORDERS
    assert {len(shard) for shard in shards[:-1]} <= {size}


def test_a_file_without_orders(tmp_path):
    write_orders(tmp_path / "orders.arrow", iter(()), 8, "of nothing")
    assert StoredOrders(tmp_path / "orders.arrow").shards == 0

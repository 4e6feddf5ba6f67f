"""The interface of the two engines that run pure functions over shards.

Invariant: results depend only on the function and its items, never on the engine, the number of workers, or how often
one of them died. Only the driver, the process that holds the folder, gives files their final names.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
ShardFunction = Callable[[Item], Iterator[bytes]]
"""Yields the content of one shard's file in chunks, so that memory is bounded by one chunk."""


class Engine(Protocol):
    """Runs functions over shards. Functions and items are pickled; a function is pickled once per worker.

    `needs` lists the finished files below the dataset folder that the function opens, for workers on other disks.
    """

    @property
    def is_ray(self) -> bool:
        """True for a Ray cluster to which this process is connected."""

    @property
    def workers(self) -> int:
        """Approximate number of shards that run at a time."""

    def stream(
        self, function: Callable[[Item], Result], items: Sequence[Item], needs: Sequence[Path] = ()
    ) -> Iterator[Result]:
        """Yield `function(item)` per item, in order.

        Raises:
            WorkerDied: workers were killed repeatedly.
        """

    def write_shards(
        self, function: ShardFunction[Item], items: Sequence[Item], paths: Sequence[Path], needs: Sequence[Path] = ()
    ) -> Iterator[int]:
        """Write the output of `function` for each item to the item's path, atomically; yield the finished numbers.

        Raises:
            WorkerDied: workers were killed repeatedly.
        """

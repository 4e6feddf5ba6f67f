"""The two ways to run a pure function over shards, seen from a stage.

Invariant: results depend on the function and its items alone, never on who ran them, how often a worker died, or how
many there were. The driver - the process that holds the folder - is the only one that gives files their names.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
ShardFunction = Callable[[Item], Iterator[bytes]]
"""A function of one shard that gives its output piece by piece, so that memory is that of a piece. The pieces, one
behind the other, are the file."""


class Engine(Protocol):
    """Runs functions over shards. Functions and items are pickled; a function is pickled once a worker.

    `needs` names the sealed files below the dataset folder that the function opens, for workers that see another disk.
    """

    @property
    def is_ray(self) -> bool:
        """Whether it is a Ray cluster, to which this process is connected."""

    @property
    def workers(self) -> int:
        """How many shards are worked on at a time, about."""

    def stream(
        self, function: Callable[[Item], Result], items: Sequence[Item], needs: Sequence[Path] = ()
    ) -> Iterator[Result]:
        """`map(function, items)`, results in the order of the items.

        Raises:
            WorkerDied: workers were killed again and again.
        """

    def make(
        self, function: ShardFunction[Item], items: Sequence[Item], paths: Sequence[Path], needs: Sequence[Path] = ()
    ) -> Iterator[int]:
        """Seal what `function` gives for each item at the item's path; gives the numbers of those that are done.

        Raises:
            WorkerDied: workers were killed again and again.
        """

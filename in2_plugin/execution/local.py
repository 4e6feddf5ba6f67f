"""The engine of one machine: worker processes that write their shards' files themselves."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from in2_plugin.execution.engine import Item, Result, ShardFunction
from in2_plugin.execution.process_pool import ordered_map
from in2_plugin.io.atomic import write_atomic


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """An `Engine` of processes. Cost: a second to start them, for more than one item."""

    workers: int
    is_ray: ClassVar[bool] = False

    def stream(
        self, function: Callable[[Item], Result], items: Sequence[Item], needs: Sequence[Path] = ()
    ) -> Iterator[Result]:
        """See `Engine`."""
        return ordered_map(function, items, self.workers)

    def make(
        self, function: ShardFunction[Item], items: Sequence[Item], paths: Sequence[Path], needs: Sequence[Path] = ()
    ) -> Iterator[int]:
        """See `Engine`."""
        numbered = zip(range(len(items)), items, paths, strict=True)
        return ordered_map(_Making(function), numbered, self.workers)


@dataclass(frozen=True, slots=True)
class _Making:
    """Seals the file of one shard."""

    function: ShardFunction[Any]

    def __call__(self, asked: tuple[int, Any, Path]) -> int:
        number, item, path = asked

        def write(part: Path) -> None:
            with part.open("wb") as file:
                file.writelines(self.function(item))

        write_atomic(path, write)
        return number

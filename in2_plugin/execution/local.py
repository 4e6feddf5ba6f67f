"""The engine for one machine: worker processes that write the files of their shards."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from in2_plugin.execution.engine import Item, Result, ShardFunction
from in2_plugin.execution.process_pool import ordered_map
from in2_plugin.io.atomic import write_atomic


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """An `Engine` of processes. Cost: one second to start them, unless there is only one item."""

    workers: int
    is_ray: ClassVar[bool] = False

    def stream(
        self, function: Callable[[Item], Result], items: Sequence[Item], needs: Sequence[Path] = ()
    ) -> Iterator[Result]:
        """See `Engine`."""
        return ordered_map(function, items, self.workers)

    def write_shards(
        self, function: ShardFunction[Item], items: Sequence[Item], paths: Sequence[Path], needs: Sequence[Path] = ()
    ) -> Iterator[int]:
        """See `Engine`."""
        numbered = zip(range(len(items)), items, paths, strict=True)
        return ordered_map(_ShardTask(function), numbered, self.workers)


@dataclass(frozen=True, slots=True)
class _ShardTask:
    """Writes the file of one shard."""

    function: ShardFunction[Any]

    def __call__(self, task: tuple[int, Any, Path]) -> int:
        number, item, path = task

        def write_part(part: Path) -> None:
            with part.open("wb") as file:
                file.writelines(self.function(item))

        write_atomic(path, write_part)
        return number

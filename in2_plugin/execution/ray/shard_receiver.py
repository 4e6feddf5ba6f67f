"""Write the files of shards whose content arrives in chunks from workers on other machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from in2_plugin.io.atomic import commit_part


@dataclass(slots=True)
class ShardReceiver:
    """Writes one shard after the other; a shard's file gets its final name with `commit`."""

    paths: Sequence[Path]
    number: int | None = None
    file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def append(self, number: int, chunk: bytes) -> None:
        """Append a chunk to the file of a shard."""
        if number != self.number or not self.file:
            assert self.file is None, "shards arrive complete and in order"
            self.number = number
            self.file = self._part(number).open("wb")
        self.file.write(chunk)

    def commit(self, number: int) -> None:
        """Finish the file of a shard; it is empty if no chunk arrived."""
        if self.file:
            self.file.close()
        else:
            self._part(number).write_bytes(b"")
        self.file = None
        commit_part(self.paths[number])

    def _part(self, number: int) -> Path:
        return self.paths[number].with_name(f"{self.paths[number].name}.part")

    def __exit__(self, *_: object) -> None:
        if self.file:
            self.file.close()

"""Files of shards that come in piece by piece, from workers on other machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from in2_plugin.io.atomic import commit_part


@dataclass(slots=True)
class Receiving:
    """Writes the files of shards that come in piece by piece, one shard after the other."""

    paths: Sequence[Path]
    number: int | None = None
    file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, number: int, blob: bytes) -> None:
        """Append to the file of a shard."""
        if number != self.number or not self.file:
            assert self.file is None, "shards come whole, in order"
            self.number = number
            self.file = self._part(number).open("wb")
        self.file.write(blob)

    def commit(self, number: int) -> None:
        """Give a shard's file its name; it is empty when nothing came."""
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

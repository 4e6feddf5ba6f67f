"""Pickles that name places within the dataset folder, so that they mean the same on a machine where it lies elsewhere.

Invariant: every `Path` at or below the folder is written as its place in it, and read as that place in the folder of
the machine that reads.
"""

import io
import os
import pickle
from pathlib import Path
from typing import Any


def dumps(value: object, folder: Path) -> bytes:
    """Pickle `value`; paths below `folder` become places in it."""
    written = io.BytesIO()
    _Leaving(written, Path(os.path.abspath(folder))).dump(value)  # noqa: PTH100 - links stay links
    return written.getvalue()


def loads(data: bytes, folder: Path) -> Any:
    """What `dumps` was given, with its places in this `folder`."""
    return _Arriving(io.BytesIO(data), folder).load()


class _Leaving(pickle.Pickler):
    def __init__(self, file: io.BytesIO, folder: Path) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._folder = folder

    def persistent_id(self, value: object) -> str | None:
        if isinstance(value, Path):
            place = Path(os.path.abspath(value))  # noqa: PTH100
            if place.is_relative_to(self._folder):
                return place.relative_to(self._folder).as_posix()
        return None


class _Arriving(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, folder: Path) -> None:
        super().__init__(file)
        self._folder = folder

    def persistent_load(self, place: str) -> Path:
        return self._folder / place

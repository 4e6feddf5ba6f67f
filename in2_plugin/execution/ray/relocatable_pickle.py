"""Pickles whose paths below the dataset folder are relative, for machines that have the folder elsewhere.

Invariant: every `Path` at or below the folder is stored relative to it, and resolved against the folder of the machine
that loads the pickle.
"""

import io
import os
import pickle
from pathlib import Path
from typing import Any


def dumps(value: object, folder: Path) -> bytes:
    """Pickle `value`, with paths below `folder` stored relative to it."""
    written = io.BytesIO()
    _RelativePickler(written, Path(os.path.abspath(folder))).dump(value)  # noqa: PTH100 - keeps symbolic links
    return written.getvalue()


def loads(data: bytes, folder: Path) -> Any:
    """Load a pickle of `dumps`, with its relative paths resolved against `folder`."""
    return _RelativeUnpickler(io.BytesIO(data), folder).load()


class _RelativePickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, folder: Path) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._folder = folder

    def persistent_id(self, value: object) -> str | None:
        if isinstance(value, Path):
            path = Path(os.path.abspath(value))  # noqa: PTH100
            if path.is_relative_to(self._folder):
                return path.relative_to(self._folder).as_posix()
        return None


class _RelativeUnpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, folder: Path) -> None:
        super().__init__(file)
        self._folder = folder

    def persistent_load(self, relative: str) -> Path:
        return self._folder / relative

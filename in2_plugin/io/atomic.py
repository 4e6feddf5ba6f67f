"""Atomic writes: a name without `.part` always means a complete file.

Each file is written to `NAME.part`, synced and renamed; then its folder is synced. A kill at any moment leaves either
the old file or the new one, never a partial one. Cost: one fsync of the file and one of its folder.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` with a `.part` path, then sync the result and rename it to `path`."""
    part = path.with_name(path.name + ".part")
    write(part)
    commit_part(path)


def commit_part(path: Path) -> None:
    """Sync `path`.part, which is already written and closed, and rename it to `path`."""
    part = path.with_name(path.name + ".part")
    _sync(part)
    part.replace(path)
    _sync(path.parent)


def write_text_atomic(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    write_atomic(path, write)


def write_json_atomic(path: Path, value: Any) -> None:
    """Write a JSON file atomically, with a stable layout: equal values give equal bytes."""
    write_text_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Folders that fixtures make once for all test processes and keep on disk, keyed by the code that makes them.

A folder is made again when any source of the package or of the test helpers has changed, or when a test has written
into it. The files are below `.cache/tests` in the checkout; deleting them costs nothing but time.
"""

import hashlib
import shutil
import time
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path

from filelock import FileLock

from tests.support import ROOT

CACHE = ROOT / ".cache/tests"
SOURCES = ("in2_plugin/**/*", "tests/support/*.py", "tests/**/conftest.py", "recipes/smoke/*.py")
STALE = 24 * 3600
"""Seconds after which folders of other code are deleted."""


def cached_folder(name: str, make: Callable[[Path], object], leaf: str = "files") -> Path:
    """Return a folder called `leaf` that `make` has filled; it is given a path that does not exist yet.

    Tests must not write into it. A folder that has changed since is left alone, since another process may be reading
    it, and the next one is made beside it.
    """
    home = CACHE / _code_key()
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / f"{name}.lock"):
        for attempt in count():
            folder, record = home / f"{name}-{attempt}" / leaf, home / f"{name}-{attempt}.listing"
            if record.exists():
                if record.read_text() == _listing(folder):
                    return folder
                continue
            shutil.rmtree(folder.parent, ignore_errors=True)  # of a process that was killed
            folder.parent.mkdir()
            make(folder)
            record.write_text(_listing(folder))
            return folder
    raise AssertionError("unreachable")


@cache
def _code_key() -> str:
    """Return a digest of all sources, and delete what older ones have made."""
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    key = digest.hexdigest()[:16]
    for other in CACHE.glob("*"):
        if other.name != key and time.time() - other.stat().st_mtime > STALE:
            shutil.rmtree(other, ignore_errors=True)
    return key


def _listing(folder: Path) -> str:
    stats = ((path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file())
    return "".join(f"{path.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns}\n" for path, stat in stats)

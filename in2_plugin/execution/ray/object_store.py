"""Sealed files in an object storage, for nodes that do not see the dataset folder.

The driver puts a file there once and workers fetch it once a node. Invariants: only sealed files are put there; a name
there stands for one content for good (size and time of change are part of it); a file on a node is whole or not there.
Transport and its retries are pyarrow's.
"""

import fcntl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from in2_plugin.errors import ConfigError, CorpusError, one_line
from in2_plugin.io.remote import local_path, remote, scheme


@dataclass(frozen=True, slots=True)
class Published:
    """Files that can be fetched."""

    uri: str
    """Folder in the storage."""
    files: tuple[tuple[str, str], ...]
    """(place in the dataset folder, name in the storage)."""
    token: str
    """Names the copies on a node."""


def publish(uri: str, token: str, folder: Path, files: Sequence[Path]) -> Published:
    """Put sealed files below `folder` into the storage, unless they are there.

    Raises:
        ConfigError: the storage cannot be written.
    """
    named = tuple((path.relative_to(folder).as_posix(), _name(folder, path)) for path in files)
    published = Published(f"{uri.rstrip('/')}/{token}", named, token)
    with _explained(uri):
        system, root = _opened(published.uri)
        system.create_dir(root, recursive=True)
        infos = system.get_file_info([f"{root}/{name}" for _, name in named])
        for path, info in zip(files, infos, strict=True):
            if info.type is pafs.FileType.NotFound or info.size != path.stat().st_size:
                pafs.copy_files(str(path), info.path, pafs.LocalFileSystem(), system)
    return published


def withdraw(uri: str, token: str) -> None:
    """Remove everything that was published under this token.

    Raises:
        ConfigError: the storage cannot be written.
    """
    with _explained(uri):
        system, root = _opened(f"{uri.rstrip('/')}/{token}")
        if system.get_file_info(root).type is not pafs.FileType.NotFound:
            system.delete_dir(root)


def fetched(published: Published) -> Path:
    """A folder of this machine with copies of the published files.

    Raises:
        ConfigError: the storage cannot be read, or the disk cannot be written.
    """
    folder = Path(tempfile.gettempdir()) / f"in2-{published.token}"
    with _explained(published.uri):
        folder.mkdir(exist_ok=True)
        # the workers of a node wait for the first of them
        with (folder / "fetching.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            system, root = _opened(published.uri)
            for place, name in published.files:
                _fetch(system, f"{root}/{name}", folder, place, name)
    return folder


def _fetch(system: Any, path: str, folder: Path, place: str, name: str) -> None:
    copy, target = folder / ".copies" / name, folder / place
    if not copy.exists():
        copy.parent.mkdir(exist_ok=True)
        part = copy.with_name(f"{name}.part")
        pafs.copy_files(path, str(part), system, pafs.LocalFileSystem())
        part.replace(copy)
    target.parent.mkdir(parents=True, exist_ok=True)
    # a stage that was made again has another copy under the same place
    link = target.with_name(f"{target.name}.part")
    link.unlink(missing_ok=True)
    link.hardlink_to(copy)
    link.replace(target)


def _name(folder: Path, path: Path) -> str:
    stat = path.stat()
    return f"{path.relative_to(folder).as_posix().replace('/', '--')}--{stat.st_size}-{stat.st_mtime_ns}"


def _opened(uri: str) -> tuple[Any, str]:
    """(file system, path in it) of a URI."""
    if scheme(uri) is None:
        return pafs.LocalFileSystem(), str(local_path(uri))
    found = remote(uri)
    return found.files, found.path


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except (OSError, CorpusError) as failure:
        reason = one_line(failure)
        raise ConfigError(f"{uri}: cannot be used as `ray.storage` ({reason}); check address and rights") from None

"""Finished files in object storage, for nodes that do not share the dataset folder.

The driver uploads a file once, and workers download it once per node. Invariants: only finished files are uploaded; a
name always means the same content, because it includes size and modification time; a file on a node is complete or
absent. pyarrow transfers the files and retries.
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
from in2_plugin.io.remote import local_path, remote_path, uri_scheme


@dataclass(frozen=True, slots=True)
class UploadedFiles:
    """Files in object storage."""

    uri: str
    """Folder in the object storage."""
    files: tuple[tuple[str, str], ...]
    """(path in the dataset folder, name in the object storage)."""
    token: str
    """Part of the name of the copies on a node."""


def upload(uri: str, token: str, folder: Path, files: Sequence[Path]) -> UploadedFiles:
    """Upload finished files below `folder`, unless they exist.

    Raises:
        ConfigError: the object storage cannot be written.
    """
    named = tuple((path.relative_to(folder).as_posix(), _name(folder, path)) for path in files)
    uploaded = UploadedFiles(f"{uri.rstrip('/')}/{token}", named, token)
    with _as_config_error(uri):
        system, root = _open(uploaded.uri)
        system.create_dir(root, recursive=True)
        infos = system.get_file_info([f"{root}/{name}" for _, name in named])
        for path, info in zip(files, infos, strict=True):
            if info.type is pafs.FileType.NotFound or info.size != path.stat().st_size:
                pafs.copy_files(str(path), info.path, pafs.LocalFileSystem(), system)
    return uploaded


def delete_uploads(uri: str, token: str) -> None:
    """Delete all files that were uploaded under this token.

    Raises:
        ConfigError: the object storage cannot be written.
    """
    with _as_config_error(uri):
        system, root = _open(f"{uri.rstrip('/')}/{token}")
        if system.get_file_info(root).type is not pafs.FileType.NotFound:
            system.delete_dir(root)


def download(uploaded: UploadedFiles) -> Path:
    """Return a folder on this machine with copies of the uploaded files.

    Raises:
        ConfigError: the object storage cannot be read, or the disk cannot be written.
    """
    folder = Path(tempfile.gettempdir()) / f"in2-{uploaded.token}"
    with _as_config_error(uploaded.uri):
        folder.mkdir(exist_ok=True)
        # the first worker of a node downloads, the others wait
        with (folder / "fetching.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            system, root = _open(uploaded.uri)
            for relative, name in uploaded.files:
                _fetch(system, f"{root}/{name}", folder, relative, name)
    return folder


def _fetch(system: Any, path: str, folder: Path, relative: str, name: str) -> None:
    copy, target = folder / ".copies" / name, folder / relative
    if not copy.exists():
        copy.parent.mkdir(exist_ok=True)
        part = copy.with_name(f"{name}.part")
        pafs.copy_files(path, str(part), system, pafs.LocalFileSystem())
        part.replace(copy)
    target.parent.mkdir(parents=True, exist_ok=True)
    # a stage that ran again has a new copy under the same path
    link = target.with_name(f"{target.name}.part")
    link.unlink(missing_ok=True)
    link.hardlink_to(copy)
    link.replace(target)


def _name(folder: Path, path: Path) -> str:
    stat = path.stat()
    return f"{path.relative_to(folder).as_posix().replace('/', '--')}--{stat.st_size}-{stat.st_mtime_ns}"


def _open(uri: str) -> tuple[Any, str]:
    """Return the file system of a URI, and the path in it."""
    if uri_scheme(uri) is None:
        return pafs.LocalFileSystem(), str(local_path(uri))
    found = remote_path(uri)
    return found.filesystem, found.path


@contextmanager
def _as_config_error(uri: str) -> Iterator[None]:
    try:
        yield
    except (OSError, CorpusError) as failure:
        raise ConfigError(
            f"{uri}: cannot be used as `ray.storage` ({one_line(failure)}); check the address and your permissions"
        ) from None

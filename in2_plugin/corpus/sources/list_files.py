"""List the files of folders and globs, local and remote, with their sizes.

Invariant: a bucket is listed like a folder with the same names: the same files in the same order, without hidden ones.
Cost: one pass over the names, and one request per thousand names in a bucket; sizes come with the listing.
"""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from in2_plugin.io.remote import as_corpus_error, not_found, remote_path


@dataclass(frozen=True, slots=True)
class Listed:
    """One file."""

    path: str
    """A local path or a URI; keys of documents start with it."""
    size: int
    """Bytes; 0 if the file system does not report them."""


def files_below(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Listed]:
    """Yield the files of a folder in the order of their names, without hidden ones and links to a folder above."""
    here = folder.resolve()
    if here in above:
        return
    with os.scandir(folder) as entries:
        seen = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    shown = (folder / "x").as_posix()[:-1]
    for entry in seen:
        if entry.is_dir():
            yield from files_below(folder / entry.name, above | {here})
        else:
            yield Listed(shown + entry.name, _size(entry))


def matches(pattern: Path) -> list[Listed]:
    """Return the local files that a pattern matches, sorted by path."""
    # Path.glob does not accept absolute patterns
    paths = map(Path, sorted(glob.glob(str(pattern), recursive=True)))  # noqa: PTH207
    return [listed(path) for path in paths if not path.is_dir()]


def listed(path: Path) -> Listed:
    """Return the entry of a local file."""
    return Listed(path.as_posix(), _size(path))


def _size(entry: os.DirEntry[str] | Path) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a broken link, which fails when it is read
        return 0


@dataclass(frozen=True, slots=True)
class RemoteListing:
    """The files of a URI."""

    kind: str
    """`file`, `folder` or `glob`."""
    files: tuple[Listed, ...]


def list_remote(uri: str) -> RemoteListing:
    """Return the file at a URI, the files of the folder, or those that match the pattern, tried in this order.

    Raises:
        CorpusError: nothing is found, or it cannot be listed.
    """
    from pyarrow.fs import FileType

    found = remote_path(uri)
    with as_corpus_error(uri):
        info = found.filesystem.get_file_info([found.path])[0]
        if info.type == FileType.Directory:
            files = sorted(_below(uri, recursive=True), key=lambda file: file.path.split("/"))
            return RemoteListing("folder", tuple(file for file in files if not _is_hidden(file.path, uri)))
    if info.type == FileType.NotFound:
        if not glob.has_magic(uri):
            raise not_found(uri)
        return RemoteListing("glob", tuple(sorted(_remote_matches(uri), key=lambda file: file.path)))
    return RemoteListing("file", (Listed(uri, info.size or 0),))


def _below(folder: str, recursive: bool) -> Iterator[Listed]:
    from pyarrow.fs import FileSelector, FileType

    found, shown = remote_path(folder), folder.rstrip("/")
    for info in found.filesystem.get_file_info(FileSelector(found.path, recursive=recursive)):
        if info.type != FileType.Directory:
            inner = info.path.removeprefix(found.path.rstrip("/")).lstrip("/")
            yield Listed(f"{shown}/{inner}", info.size or 0)


def _is_hidden(path: str, folder: str) -> bool:
    inner = path.removeprefix(folder.rstrip("/"))
    return any(name.startswith(".") for name in inner.split("/"))


def _remote_matches(uri: str) -> Iterator[Listed]:
    folder, pattern = _without_magic(uri)
    with as_corpus_error(uri):
        for file in _below(folder, recursive=len(pattern) > 1 or pattern == ["**"]):
            if _matches(file.path.removeprefix(f"{folder}/").split("/"), pattern):
                yield file


def _without_magic(uri: str) -> tuple[str, list[str]]:
    """Return the folder above the first part with a wildcard, and the parts from there on."""
    parts = uri.split("/")
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:first]), parts[first:]


def _matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Check that a path matches a pattern as in `glob.glob(recursive=True)`."""
    if not pattern:
        return not names
    if list(pattern) == ["**"]:
        return bool(names) and not any(name.startswith(".") for name in names)
    if pattern[0] == "**":
        visible = next((i for i, name in enumerate(names) if name.startswith(".")), len(names))
        return any(_matches(names[i:], pattern[1:]) for i in range(visible + 1))
    if not names or (names[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatchcase(names[0], pattern[0]) and _matches(names[1:], pattern[1:])

"""Where the documents of a source are: the bundled corpus, a Hugging Face dataset, or files in reading order.

Invariant: nothing is guessed. A path that is not there, a file of no known kind, and an option that says nothing about
the kind of source are a CorpusError, before anything is read. Cost: listing the folders.
"""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from in2_plugin.config.corpus import BUNDLED_CORPUS, Source
from in2_plugin.corpus.sources.hub_rows import SAVED_DATASET, is_saved
from in2_plugin.corpus.sources.list_files import Listed, files_below, list_remote, listed, matches
from in2_plugin.errors import CorpusError
from in2_plugin.io.remote import COMPRESSIONS, local_path, reject_credentials, uri_scheme

# `.json` is read as JSON Lines because C4 names its JSON Lines files so.
ENDINGS = {
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet",),
    "text": (".txt", ".md", ".rst", ".text"),
}
OPTIONS = {
    "bundled": set[str](),
    "hf": {"name", "split", "text_field"},
    "jsonl": {"text_field"},
    "parquet": {"text_field"},
    "text": set[str](),
}
"""Options of a source that say something about each kind of it."""


@dataclass(frozen=True, slots=True)
class Located:
    """What a source turned out to be."""

    kind: str
    """`bundled`, `hf` or `files`."""
    files: tuple[tuple[Listed, str], ...] = ()
    """(file, one of ENDINGS) in reading order."""
    other_files: int = 0
    """Files of a folder whose ending says another kind."""


def locate(source: Source) -> Located:
    """Decide what `source.path` is; see `Source.path` for the order in which the possibilities are tried.

    Raises:
        CorpusError: there is no such file or folder, it cannot be listed, or an option of the source says nothing
            about it.
    """
    if source.path.startswith("bundled:") or source.format == "bundled":
        found = _bundled(source)
    elif uri_scheme(source.path):
        found = _remote(source)
    elif source.format == "hf":
        found = Located("hf")
    else:
        found = _local(source)
    _refuse_unused_options(source, found)
    return found


def _local(source: Source) -> Located:
    path = local_path(source.path)
    if path.is_dir():
        return Located("hf") if source.format == "auto" and is_saved(path) else _folder(path, source)
    if path.exists():
        return _files([listed(path)], source)
    if glob.has_magic(source.path):
        if found := matches(path):
            return _files(found, source)
        raise CorpusError(f"{source.path}: no file matches; the pattern is relative to {Path.cwd()}")
    if source.format == "auto" and not _looks_local(source.path):
        return Located("hf")
    raise CorpusError(f"{source.path}: there is no such file or folder; paths are relative to {Path.cwd()}")


def _remote(source: Source) -> Located:
    reject_credentials(source.path)
    if source.format == "hf":
        raise CorpusError(
            f"{source.path}: `format: hf` takes the name of a dataset or a folder of this machine; name files by "
            "their URI with `format: jsonl`, `parquet` or `text`"
        )
    found = list_remote(source.path)
    saved = {f"{source.path.rstrip('/')}/{name}" for name in SAVED_DATASET}
    if source.format == "auto" and any(file.path in saved for file in found.files):
        raise CorpusError(
            f"{source.path}: `save_to_disk` wrote this folder, and such folders are read from disks of this machine; "
            "copy it here, or write the dataset with `to_parquet`"
        )
    if found.kind == "folder":
        return _known(found.files, source)
    if not found.files:
        raise CorpusError(f"{source.path}: no file matches; names are told apart by upper and lower case")
    return _files(found.files, source)


def _bundled(source: Source) -> Located:
    if source.path != BUNDLED_CORPUS or source.format not in ("auto", "bundled"):
        raise CorpusError(
            f"{source.path}: the only bundled corpus is `{BUNDLED_CORPUS}`, with `format: bundled` or none"
        )
    return Located("bundled")


def _folder(folder: Path, source: Source) -> Located:
    try:
        return _known(tuple(files_below(folder)), source)
    except OSError as failure:
        raise CorpusError(f"{failure.filename}: cannot be listed ({failure.strerror})") from None


def _known(files: Sequence[Listed], source: Source) -> Located:
    """Those files of a folder that are of a kind that is read."""
    wanted = ENDINGS.keys() if source.format == "auto" else {source.format}
    kinds = [(file, _kind(file.path)) for file in files]
    known = tuple((file, kind) for file, kind in kinds if kind and kind in wanted)
    if not known:
        endings = " ".join(ending for kind in wanted for ending in ENDINGS[kind])
        raise CorpusError(
            f"{source.path}: none of the {len(files)} files in this folder ends in {endings} "
            "(or these with .gz or .zst); rename them or name the files with a glob and `format`"
        )
    return Located("files", known, len(files) - len(known))


def _files(files: Sequence[Listed], source: Source) -> Located:
    """Files that were named, one by one or by a pattern: each must be of a kind."""
    return Located("files", tuple((file, _kind_or_refuse(file.path, source)) for file in files))


def _kind(path: str) -> str | None:
    name = path.rpartition("/")[2].lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    return next((kind for kind, endings in ENDINGS.items() if name.endswith(endings)), None)


def _kind_or_refuse(path: str, source: Source) -> str:
    kind = _kind(path) if source.format == "auto" else source.format
    if kind is None:
        raise CorpusError(f"{path}: its ending does not say what it is; set `format` to jsonl, parquet or text")
    return kind


def _looks_local(path: str) -> bool:
    """Whether a path that does not exist cannot be meant as the name of a dataset on the hub (`owner/name`)."""
    return path.startswith(("/", ".", "~")) or path.count("/") > 1 or _kind(path) is not None


def _refuse_unused_options(source: Source, found: Located) -> None:
    kinds = {kind for _, kind in found.files} or {found.kind}
    used = set[str]().union(*(OPTIONS[kind] for kind in kinds))
    for option in ("name", "split", "text_field"):
        if option not in used and getattr(source, option) != Source.model_fields[option].default:
            raise CorpusError(f"{source.path}: `{option}` says nothing about this kind of source; remove it")

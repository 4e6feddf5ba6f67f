"""Locate the documents of a source: the bundled corpus, a Hugging Face dataset, or files in reading order.

Invariant: nothing is guessed. A path that does not exist, a file of an unknown format, and an option that does not
apply to the source are a CorpusError before anything is read. Cost: listing the folders.
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

# `.json` is read as JSON Lines because C4 names its JSON Lines files that way.
EXTENSIONS = {
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet",),
    "text": (".txt", ".md", ".rst", ".text"),
}
FORMATTED = (".pdf", ".docx", ".pptx", ".xlsx", ".epub", ".html", ".htm", ".odt", ".rtf")
"""Formats that other tools convert to text."""
TO_TEXT = "`markitdown FILE > FILE.md` (pip install 'markitdown[all]') or, for PDF, `pdftotext FILE`"
OPTIONS = {
    "bundled": set[str](),
    "hf": {"name", "split", "text_field"},
    "jsonl": {"text_field"},
    "parquet": {"text_field"},
    "text": set[str](),
}
"""Options of a source that apply to each kind."""


@dataclass(frozen=True, slots=True)
class Located:
    """The kind and the files of a source."""

    kind: str
    """`bundled`, `hf` or `files`."""
    files: tuple[tuple[Listed, str], ...] = ()
    """(file, one of EXTENSIONS) in reading order."""
    other_files: int = 0
    """Files of a folder that were skipped because of their extension."""


def locate(source: Source) -> Located:
    """Find out what `source.path` is; `Source.path` documents the order in which the possibilities are tried.

    Raises:
        CorpusError: there is no such file or folder, it cannot be listed, or an option does not apply to it.
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
            f"{source.path}: `format: hf` needs the name of a dataset or a local folder; read files at a URI "
            "with `format: jsonl`, `parquet` or `text`"
        )
    found = list_remote(source.path)
    saved = {f"{source.path.rstrip('/')}/{name}" for name in SAVED_DATASET}
    if source.format == "auto" and any(file.path in saved for file in found.files):
        raise CorpusError(
            f"{source.path}: `save_to_disk` wrote this folder, and such folders can only be read from a local disk; "
            "copy it here, or write the dataset with `to_parquet`"
        )
    if found.kind == "folder":
        return _known(found.files, source)
    if not found.files:
        raise CorpusError(f"{source.path}: no file matches; names are case-sensitive")
    return _files(found.files, source)


def _bundled(source: Source) -> Located:
    if source.path != BUNDLED_CORPUS or source.format not in ("auto", "bundled"):
        raise CorpusError(
            f"{source.path}: the only bundled corpus is `{BUNDLED_CORPUS}`, with `format: bundled` or no `format`"
        )
    return Located("bundled")


def _folder(folder: Path, source: Source) -> Located:
    try:
        return _known(tuple(files_below(folder)), source)
    except OSError as failure:
        raise CorpusError(f"{failure.filename}: cannot be listed ({failure.strerror})") from None


def _known(files: Sequence[Listed], source: Source) -> Located:
    """Return the files of a folder that have a known format."""
    wanted = EXTENSIONS.keys() if source.format == "auto" else {source.format}
    kinds = [(file, _kind(file.path)) for file in files]
    known = tuple((file, kind) for file, kind in kinds if kind and kind in wanted)
    if not known:
        extensions = " ".join(extension for kind in wanted for extension in EXTENSIONS[kind])
        raise CorpusError(
            f"{source.path}: none of the {len(files)} files in this folder ends in {extensions} "
            f"(or these with .gz or .zst); {_advice(files)}"
        )
    return Located("files", known, len(files) - len(known))


def _advice(files: Sequence[Listed]) -> str:
    if formatted := [file.path for file in files if file.path.lower().endswith(FORMATTED)]:
        return f"convert them to text first, {formatted[0]} for example with {TO_TEXT}"
    return "rename them, or set a glob and `format`"


def _files(files: Sequence[Listed], source: Source) -> Located:
    """Return files that were given alone or by a pattern, each of which must have a known format."""
    return Located("files", tuple((file, _kind_or_refuse(file.path, source)) for file in files))


def _kind(path: str) -> str | None:
    name = path.rpartition("/")[2].lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    return next((kind for kind, endings in EXTENSIONS.items() if name.endswith(endings)), None)


def _kind_or_refuse(path: str, source: Source) -> str:
    kind = _kind(path) if source.format == "auto" else source.format
    if kind is None and path.lower().endswith(FORMATTED):
        raise CorpusError(f"{path}: is not text; convert it first, for example with {TO_TEXT}")
    if kind is None:
        raise CorpusError(f"{path}: cannot infer the format from the extension; set `format` to jsonl, parquet or text")
    return kind


def _looks_local(path: str) -> bool:
    """Check that a path that does not exist cannot be the name of a dataset on the hub (`owner/name`)."""
    return path.startswith(("/", ".", "~")) or path.count("/") > 1 or _kind(path) is not None


def _refuse_unused_options(source: Source, found: Located) -> None:
    kinds = {kind for _, kind in found.files} or {found.kind}
    used = set[str]().union(*(OPTIONS[kind] for kind in kinds))
    for option in ("name", "split", "text_field"):
        if option not in used and getattr(source, option) != Source.model_fields[option].default:
            raise CorpusError(f"{source.path}: `{option}` does not apply to this kind of source; remove it")

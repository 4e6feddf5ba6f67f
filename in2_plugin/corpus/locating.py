"""Where the documents of a source are: the bundled corpus, a Hugging Face dataset, or files in reading order.

Invariant: nothing is guessed. A path that is not there, a file of no known kind, and an option that says nothing about
the kind of source are a CorpusError, before anything is read. Cost: listing the folders.
"""

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from in2_plugin.config.corpus import BUNDLED_CORPUS, Source
from in2_plugin.errors import CorpusError

# `.json` is read as JSON Lines because C4 names its JSON Lines files so.
ENDINGS = {
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet",),
    "text": (".txt", ".md", ".rst", ".text"),
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
# What `Dataset.save_to_disk` leaves at the top of its folder.
SAVED_DATASET = ("dataset_dict.json", "state.json")
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
    files: tuple[tuple[Path, str], ...] = ()
    """(path, one of ENDINGS) in reading order."""
    other_files: int = 0
    """Files of a folder whose ending says another kind."""


def locate(source: Source) -> Located:
    """Decide what `source.path` is; see `Source.path` for the order in which the possibilities are tried.

    Raises:
        CorpusError: there is no such file or folder, or an option of the source says nothing about it.
    """
    path = Path(source.path).expanduser()
    if source.path.startswith("bundled:") or source.format == "bundled":
        found = _bundled(source)
    elif source.format == "hf":
        found = Located("hf")
    elif path.is_dir():
        saved = source.format == "auto" and any((path / name).is_file() for name in SAVED_DATASET)
        found = Located("hf") if saved else _folder(path, source)
    elif path.exists():
        found = Located("files", ((path, _kind_or_refuse(path, source)),))
    elif glob.has_magic(source.path):
        found = _matches(path, source)
    elif source.format == "auto" and not _looks_local(source.path):
        found = Located("hf")
    else:
        raise CorpusError(f"{source.path}: there is no such file or folder; paths are relative to {Path.cwd()}")
    _refuse_unused_options(source, found)
    return found


def _bundled(source: Source) -> Located:
    if source.path != BUNDLED_CORPUS or source.format not in ("auto", "bundled"):
        raise CorpusError(
            f"{source.path}: the only bundled corpus is `{BUNDLED_CORPUS}`, with `format: bundled` or none"
        )
    return Located("bundled")


def _folder(folder: Path, source: Source) -> Located:
    wanted = ENDINGS.keys() if source.format == "auto" else {source.format}
    try:
        files = [(file, _kind(file)) for file in _files_below(folder, frozenset())]
    except OSError as failure:
        raise CorpusError(f"{failure.filename}: cannot be listed ({failure.strerror})") from None
    known = tuple((file, kind) for file, kind in files if kind and kind in wanted)
    if not known:
        endings = " ".join(ending for kind in wanted for ending in ENDINGS[kind])
        raise CorpusError(
            f"{source.path}: none of the {len(files)} files in this folder ends in {endings} "
            "(or these with .gz or .zst); rename them or name the files with a glob and `format`"
        )
    return Located("files", known, len(files) - len(known))


def _files_below(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    """Files of a folder in the order of their names; hidden ones, and links back to a folder above, are left out."""
    here = folder.resolve()
    if here in above:
        return
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _files_below(entry, above | {here})
        else:
            yield entry


def _matches(pattern: Path, source: Source) -> Located:
    # Path.glob takes no absolute patterns
    paths = map(Path, sorted(glob.glob(str(pattern), recursive=True)))  # noqa: PTH207
    files = tuple((path, _kind_or_refuse(path, source)) for path in paths if not path.is_dir())
    if not files:
        raise CorpusError(f"{source.path}: no file matches; the pattern is relative to {Path.cwd()}")
    return Located("files", files)


def _kind(path: Path) -> str | None:
    name = path.name.lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    return next((kind for kind, endings in ENDINGS.items() if name.endswith(endings)), None)


def _kind_or_refuse(path: Path, source: Source) -> str:
    kind = _kind(path) if source.format == "auto" else source.format
    if kind is None:
        raise CorpusError(f"{path}: its ending does not say what it is; set `format` to jsonl, parquet or text")
    return kind


def _looks_local(path: str) -> bool:
    """Whether a path that does not exist cannot be meant as the name of a dataset on the hub (`owner/name`)."""
    return path.startswith(("/", ".", "~")) or path.count("/") > 1 or _kind(Path(path)) is not None


def _refuse_unused_options(source: Source, found: Located) -> None:
    kinds = {kind for _, kind in found.files} or {found.kind}
    used = set[str]().union(*(OPTIONS[kind] for kind in kinds))
    for option in ("name", "split", "text_field"):
        if option in source.model_fields_set and option not in used and getattr(source, option) is not None:
            raise CorpusError(f"{source.path}: `{option}` says nothing about this kind of source; remove it")

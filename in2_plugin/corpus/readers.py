"""Reading documents, one at a time, from files, folders, globs, Hugging Face datasets and the bundled corpus.

Invariant: nothing is passed over unseen. What cannot be read is a CorpusError with its place; documents without
text, and files of a folder that are of no known kind, are counted on the stream. Memory: one document, or for
Parquet one batch of rows. Sources are found when the stream is made, so a misspelt path fails before any work.
"""

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from in2_plugin.config.corpus import RowSource, Source
from in2_plugin.corpus.locating import COMPRESSIONS, SAVED_DATASET, Located, locate
from in2_plugin.errors import CorpusError

PARQUET_ROWS = 256
_BUNDLED_FILE = Path(__file__).parent / "data" / "python-docs.jsonl.gz"

_SHARED = {"path", "format", "name", "split"}
"""Fields that sources of documents and of rows have in common."""

# A key and what stands in the text field there, not yet known to be a string.
Row = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """One text of a corpus."""

    source: str
    """`path` of the source it is from."""
    key: str
    """Unique place in the source, rows counted from 1: `news.jsonl:17`, `allenai/c4/train:3`, `notes/a.md`."""
    text: str
    """Never blank; newlines are `\\n`, a byte order mark is gone."""


class DocumentStream(Iterator[Document]):
    """The documents of several sources in order, with counts of what was read so far."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.documents = 0
        """Documents given out."""
        self.empty = 0
        """Rows and files that hold no text, or null, and were passed over."""
        located = [(source, locate(source)) for source in sources]
        self.other_files = sum(found.other_files for _, found in located)
        """Files of the sources' folders that were left out because their ending says another kind."""
        self._stream = self._read(located)

    def __next__(self) -> Document:
        return next(self._stream)

    def _read(self, located: list[tuple[Source, Located]]) -> Iterator[Document]:
        for source, found in located:
            yield from islice(self._documents(source, found), source.limit)
        if not self.documents:
            paths = ", ".join(source.path for source, _ in located)
            raise CorpusError(f"{paths}: not one document with text among {self.empty} read; name another source")

    def _documents(self, source: Source, found: Located) -> Iterator[Document]:
        for key, value in _rows(source, found):
            text = _checked(value, key, source.text_field)
            if text.isspace() or not text:
                self.empty += 1
                continue
            self.documents += 1
            yield Document(source.path, key, text)


def read_documents(sources: Sequence[Source]) -> DocumentStream:
    """Stream the documents of `sources`, each source up to its `limit`.

    Raises:
        CorpusError: now, when a source does not exist or says something impossible; while reading, when a file,
            row or field cannot be read, and at the end when there was no document at all.
    """
    return DocumentStream(sources)


def read_rows(source: RowSource) -> Iterator[tuple[str, dict[str, Any]]]:
    """Stream the rows of a source, each with its place (`chats.jsonl:17`), up to its `limit`.

    Raises:
        CorpusError: now, when the source does not exist; while reading, when a file or row cannot be read.
    """
    given = {name: getattr(source, name) for name in _SHARED & source.model_fields_set}
    found = locate(Source.model_validate(given))
    if found.kind == "bundled" or any(kind == "text" for _, kind in found.files):
        raise CorpusError(f"{source.path}: holds text and no rows with fields; name JSONL, Parquet or a dataset")
    return islice(_whole_rows(source, found), source.limit)


def _whole_rows(source: RowSource, found: Located) -> Iterator[tuple[str, dict[str, Any]]]:
    if found.kind == "hf":
        yield from _hf_whole_rows(source)
    for file, kind in found.files:
        yield from _json_lines(file) if kind == "jsonl" else _parquet_batches(file, None)


def _checked(value: object, key: str, field: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        kind = type(value).__name__
        raise CorpusError(f"{key}: `{field}` holds {kind}, not text; set `text_field` to the field with the text")
    text = value.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        text.encode()
    except UnicodeEncodeError as failure:
        raise CorpusError(
            f"{key}: character {failure.start + 1} of `{field}` is half of a surrogate pair (a broken \\u escape); "
            "mend or remove it"
        ) from None
    return text


def _rows(source: Source, found: Located) -> Iterator[Row]:
    if found.kind == "bundled":
        for _, fields in _json_lines(_BUNDLED_FILE):
            yield fields["key"], fields["text"]
    elif found.kind == "hf":
        yield from _hf_rows(source)
    for file, kind in found.files:
        yield from _FILE_ROWS[kind](file, source.text_field)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file behind its compression; any failure to read them is a CorpusError."""
    import pyarrow as pa

    compression = COMPRESSIONS.get(path.suffix.lower())
    try:
        with path.open("rb") as file:
            yield io.BufferedReader(pa.input_stream(file, compression=compression)) if compression else file
    except OSError as failure:
        raise CorpusError(f"{path}: cannot be read ({failure.strerror or failure}); mend or remove it") from None


def _decoded(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as failure:
        raise CorpusError(
            f"{place}: byte {failure.start + 1} is not UTF-8; convert the file with iconv from the encoding that it is "
            "in (GB18030 for Chinese, CP1252 for old Western text)"
        ) from None


def _text_rows(path: Path, _: str) -> Iterator[Row]:
    with _opened(path) as file:
        data = file.read()
    yield path.as_posix(), _decoded(data, str(path))


def _jsonl_rows(path: Path, field: str) -> Iterator[Row]:
    for place, fields in _json_lines(path):
        if field not in fields:
            raise _missing_field(place, field, list(fields))
        yield place, fields[field]


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            place = f"{path.as_posix()}:{number}"
            text = _decoded(line, place).removeprefix("\ufeff")
            if text.isspace() or not text:
                continue
            try:
                fields = json.loads(text)
            except (ValueError, RecursionError) as failure:
                raise CorpusError(f"{place}: is not JSON ({failure}); each line must be one JSON object") from None
            if not isinstance(fields, dict):
                raise CorpusError(f"{place}: is {type(fields).__name__}, not an object with fields; mend the line")
            yield place, fields


def _parquet_rows(path: Path, field: str) -> Iterator[Row]:
    for place, fields in _parquet_batches(path, field):
        yield place, fields[field]


def _parquet_batches(path: Path, field: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a Parquet file: one field of each, or all."""
    if path.suffix.lower() not in COMPRESSIONS:
        yield from _plain_parquet_rows(path, path, field)
        return
    # Parquet is read from its end, which a compressed stream cannot reach
    with tempfile.NamedTemporaryFile(suffix=".parquet") as plain:
        with _opened(path) as file:
            shutil.copyfileobj(file, plain)
        plain.flush()
        yield from _plain_parquet_rows(Path(plain.name), path, field)


def _plain_parquet_rows(file: Path, shown: Path, field: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as table:
            if field and field not in table.schema_arrow.names:
                raise _missing_field(str(shown), field, table.schema_arrow.names)
            number = 0
            for batch in table.iter_batches(PARQUET_ROWS, columns=[field] if field else None):
                for fields in batch.to_pylist():
                    number += 1
                    yield f"{shown.as_posix()}:{number}", fields
    except (OSError, pa.ArrowException) as failure:
        raise CorpusError(f"{shown}: cannot be read as Parquet ({failure}); mend or remove it") from None


def _hf_rows(source: Source) -> Iterator[Row]:
    for place, fields in _hf_whole_rows(source):
        if source.text_field not in fields:
            raise _missing_field(place.rpartition(":")[0], source.text_field, list(fields))
        yield place, fields[source.text_field]


def _hf_whole_rows(source: Source | RowSource) -> Iterator[tuple[str, dict[str, Any]]]:
    place = "/".join(part for part in (source.path, source.name, source.split) if part)
    try:
        rows = iter(_open_hf(source))
    except Exception as failure:  # the hub, fsspec and dataset builders raise whatever they like
        raise _hf_failure(source.path, source, failure) from None
    number = 0
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except Exception as failure:
            raise _hf_failure(f"{place}:{number}", source, failure) from None
        yield f"{place}:{number}", dict(row)


def _open_hf(source: Source | RowSource) -> Any:
    """A streaming dataset, or a memory-mapped one where `path` is a folder that `save_to_disk` wrote."""
    import datasets

    folder = Path(source.path).expanduser()
    if any((folder / name).is_file() for name in SAVED_DATASET):
        saved = datasets.load_from_disk(folder)
        return saved[source.split] if isinstance(saved, dict) else saved
    return datasets.load_dataset(source.path, name=source.name, split=source.split, streaming=True)


def _hf_failure(place: str, source: Source | RowSource, failure: Exception) -> CorpusError:
    reason = " ".join(str(failure).split())[:300] or type(failure).__name__
    here = "" if Path(source.path).expanduser().exists() else "is no file or folder here, and "
    return CorpusError(
        f"{place}: {here}cannot be read as a Hugging Face dataset ({reason}); check `path`, `name` and `split`"
    )


def _missing_field(place: str, field: str, present: list[str]) -> CorpusError:
    return CorpusError(f"{place}: has no field `{field}`; set `text_field` to one of {', '.join(map(str, present))}")


_FILE_ROWS: dict[str, Callable[[Path, str], Iterator[Row]]] = {
    "jsonl": _jsonl_rows,
    "parquet": _parquet_rows,
    "text": _text_rows,
}

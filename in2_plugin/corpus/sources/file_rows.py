"""Read rows of JSON Lines, Parquet and text files, or of a part of a file.

Invariant: rows count from 1 in the part that is read; a line belongs to the part in which it starts. An invalid row is
a CorpusError with the place that the caller derives from its number. Memory: one line, or PARQUET_ROWS rows and
READ_BYTES of each column.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from in2_plugin.errors import CorpusError, one_line
from in2_plugin.io.remote import COMPRESSIONS, READ_BYTES, open_decompressed, parquet_source, uri_scheme

PARQUET_ROWS = 256

Fields = dict[str, Any]
Place = Callable[[int], str]
"""Returns the place of a row for an error; may cost a pass over the file."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """The part of a file to read."""

    path: str
    folder: str
    start: int
    stop: int | None


def json_lines(part: FilePart, place: Place) -> Iterator[tuple[int, Fields | None]]:
    """Yield (line, fields) for the lines that start in bytes [start, stop); None as fields of a blank line."""
    with open_decompressed(part.path, part.folder) as file:
        for number, line in enumerate(_lines(file, part), start=1):
            here = partial(place, number)
            text = decoded(line, here).removeprefix("\ufeff")
            yield number, None if text.isspace() or not text else _object(text, here)


def lines_before(part: FilePart) -> int:
    """Return the number of lines that start before byte `start`."""
    if not part.start:
        return 0
    newlines, missing = 0, part.start - 1  # a newline at start - 1 starts a line of this part
    with open_decompressed(part.path, part.folder) as file:
        while missing and (block := file.read(min(missing, READ_BYTES))):
            newlines += block.count(b"\n")
            missing -= len(block)
    return newlines + 1


def _lines(file: IO[bytes], part: FilePart) -> Iterator[bytes]:
    position = part.start
    if position:
        file.seek(position - 1)
        position += len(file.readline()) - 1
    while part.stop is None or position < part.stop:
        line = file.readline()
        if not line:
            return
        position += len(line)
        yield line


def _object(text: str, place: Callable[[], str]) -> Fields:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as failure:
        raise CorpusError(f"{place()}: is not JSON ({failure}); each line must be one JSON object") from None
    if not isinstance(fields, dict):
        raise CorpusError(f"{place()}: is {type(fields).__name__}, not an object with fields; fix the line")
    return fields


def decoded(data: bytes, place: Callable[[], str]) -> str:
    """Decode `data` as UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as failure:
        raise CorpusError(
            f"{place()}: byte {failure.start + 1} is not UTF-8; convert the file with iconv from its encoding "
            "(GB18030 for Chinese, CP1252 for old Western text)"
        ) from None


def whole_text(part: FilePart) -> str:
    """Return the whole text of a file."""
    with open_decompressed(part.path, part.folder) as file:
        data = file.read()
    return decoded(data, lambda: part.path)


def parquet_rows(part: FilePart, column: str | None) -> Iterator[tuple[int, Fields]]:
    """Yield (row, fields) of row groups [start, stop): of one column, or of all."""
    with _table(part) as table:
        names = table.schema_arrow.names
        if column and column not in names:
            raise missing_field(part.path, column, names)
        stop = table.num_row_groups if part.stop is None else part.stop
        groups = list(range(part.start, stop))
        done = 0
        for batch in table.iter_batches(PARQUET_ROWS, row_groups=groups, columns=[column] if column else None):
            yield from enumerate(batch.to_pylist(), start=done + 1)
            done += len(batch)


def rows_before(part: FilePart) -> int:
    """Return the number of rows in the row groups before `start`."""
    if not part.start:
        return 0
    with _table(part) as table:
        return sum(table.metadata.row_group(i).num_rows for i in range(part.start))


def row_group_bytes(path: str, folder: str, column: str) -> list[int]:
    """Return the bytes in storage of `column` in each row group; of all columns if there is no such column."""
    with _table(FilePart(path, folder, 0, None)) as table:
        groups = [table.metadata.row_group(i) for i in range(table.num_row_groups)]
    return [_column_bytes(group, column) for group in groups]


def _column_bytes(group: Any, column: str) -> int:
    columns = [group.column(i) for i in range(group.num_columns)]
    read = [chunk for chunk in columns if chunk.path_in_schema.partition(".")[0] == column] or columns
    return sum(chunk.total_compressed_size for chunk in read)


@contextmanager
def _table(part: FilePart) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import parquet

    with _parquet_file(part) as file:
        try:
            # small reads instead of whole column chunks, which can be gigabytes: 586 against 128 MiB for one of 500 MB
            with parquet.ParquetFile(file, buffer_size=READ_BYTES, pre_buffer=False) as table:
                yield table
        except (OSError, pa.ArrowException) as failure:
            if uri_scheme(part.path) and not isinstance(failure, pa.ArrowException):
                raise  # a connection error, which `parquet_source` reports
            reason = one_line(failure)
            raise CorpusError(f"{part.path}: cannot be read as Parquet ({reason}); fix or delete the file") from None


@contextmanager
def _parquet_file(part: FilePart) -> Iterator[Any]:
    if Path(part.path).suffix.lower() not in COMPRESSIONS:
        with parquet_source(part.path, part.folder) as file:
            yield file
        return
    # reading Parquet starts at its end, to which a compressed stream cannot seek
    with tempfile.NamedTemporaryFile(suffix=".parquet") as plain:
        with open_decompressed(part.path, part.folder) as packed:
            shutil.copyfileobj(packed, plain)
        plain.flush()
        yield Path(plain.name)


def missing_field(place: str, field: str, present: list[str]) -> CorpusError:
    """Return the error for a row or table without the text field."""
    return CorpusError(f"{place}: has no field `{field}`; set `text_field` to one of {', '.join(map(str, present))}")

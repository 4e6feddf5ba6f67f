"""A corpus in pieces that are read one by one, in any order and any process: found here, read by `PieceReader`.

Invariant: the documents of all pieces, in order, are the documents of the corpus, with the same keys, however large a
piece is; pieces depend on the files alone. Cost of finding: a listing, and the footer of each larger Parquet file. Cost
of reading: one row, or for Parquet one batch of rows, whatever the size of the piece.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from in2_plugin.config.corpus import Source
from in2_plugin.corpus.sources.file_rows import (
    Fields,
    Part,
    Place,
    json_lines,
    lines_before,
    missing_field,
    parquet_rows,
    rows_before,
    whole_text,
)
from in2_plugin.corpus.sources.hub_rows import dataset_parts, dataset_rows, is_saved
from in2_plugin.corpus.sources.locate import Located, locate
from in2_plugin.corpus.sources.split_files import split
from in2_plugin.errors import CorpusError
from in2_plugin.io.remote import local_path, uri_scheme

PIECE_BYTES = 16 << 20
BUNDLED_FILE = Path(__file__).parents[1] / "data" / "python-docs.jsonl.gz"
_KEYED = ("bundled", "text")
"""Kinds whose documents have keys of their own."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one source that is read by itself, in any process. Picklable, small."""

    source: Source
    kind: str
    """`bundled`, `hf`, `jsonl`, `parquet` or `text`."""
    path: str
    """File or URI; empty for `bundled` and `hf`."""
    start: int = 0
    """Bytes of JSONL, row groups of Parquet, number of a dataset's own shard, rows of a dataset saved on disk. The
    first piece of a place has 0, the others more."""
    stop: int | None = None
    """In the unit of `start`; None: to the end."""
    size: int = 0
    """Bytes in storage, as far as known; only for balancing."""
    folder: str = field(default="", repr=False, compare=False)
    """Working directory in which a relative path was found."""
    shown: str = ""
    """The file that `path` is an unpacked copy of."""

    @property
    def place(self) -> str:
        """What the keys of its documents begin with; equal for all pieces of one file or dataset."""
        source = self.source
        if self.kind == "hf":
            return "/".join(part for part in (source.path, source.name, source.split) if part)
        return self.shown or self.path or source.path


@dataclass(frozen=True, slots=True)
class Corpus:
    """All that is to be read."""

    pieces: tuple[Piece, ...]
    """In reading order."""
    other_files: int
    """Files of the sources' folders that were left out because their ending says another kind."""


@dataclass(frozen=True, slots=True)
class PieceDocument:
    """One text of a piece."""

    number: int | None
    """Row of the piece counted from 1, physical lines for JSONL; None where `key` is given."""
    key: str | None
    """The whole key of a text file or of a bundled document."""
    text: str


def find_pieces(sources: Sequence[Source], piece_bytes: int = PIECE_BYTES) -> Corpus:
    """The pieces of `sources`, each of about `piece_bytes` where its format can be split.

    Raises:
        CorpusError: a source does not exist, cannot be listed or opened, or says something impossible.
    """
    located = [(source, locate(source)) for source in sources]
    pieces = tuple(piece for source, found in located for piece in pieces_of(source, found, piece_bytes))
    return Corpus(pieces, sum(found.other_files for _, found in located))


def pieces_of(source: Source, found: Located, piece_bytes: int) -> list[Piece]:
    """The pieces of one source that was located."""
    folder = str(Path.cwd())
    if found.kind == "bundled":
        return [Piece(source, "bundled", "", size=BUNDLED_FILE.stat().st_size)]
    if found.kind == "hf":
        parts = dataset_parts(source, folder, piece_bytes)
        return [Piece(source, "hf", "", start, stop, size, folder) for start, stop, size in parts]
    return [
        Piece(source, kind, file.path, start, stop, size, "" if uri_scheme(file.path) else folder)
        for file, kind, parts in split(found.files, source.text_field, folder, piece_bytes)
        for start, stop, size in parts
    ]


class PieceReader(Iterator[PieceDocument]):
    """The documents of one piece in order; rows without text are counted.

    Raises while reading:
        CorpusError: a file, row or field cannot be read; names the row of the whole file.
    """

    def __init__(self, piece: Piece, before: int | None = None) -> None:
        """`before`: rows of earlier pieces of the same place, where the caller knows them; else an error counts."""
        self.rows = 0
        """Rows (lines) of the piece passed so far; at the end all of them, from where the next piece counts on."""
        self.empty = 0
        """Rows that hold no text, or null, and were passed over."""
        self._piece, self._before = piece, before
        self._rows = piece_rows(piece, self._place, piece.source.text_field)

    def __next__(self) -> PieceDocument:
        for row, fields in self._rows:
            self.rows = row
            if fields is None:
                continue
            text = self._text(fields)
            if text and not text.isspace():
                return self._document(fields, text)
            self.empty += 1
        raise StopIteration

    def _document(self, fields: Fields, text: str) -> PieceDocument:
        if self._piece.kind in _KEYED:
            return PieceDocument(None, fields["key"], text)
        return PieceDocument(self.rows, None, text)

    def _text(self, fields: Fields) -> str:
        field = "text" if self._piece.kind in _KEYED else self._piece.source.text_field
        if field not in fields:
            # all rows of a dataset have the same fields
            place = self._piece.place if self._piece.kind == "hf" else self._place(self.rows)
            raise missing_field(place, field, list(fields))
        return checked_text(fields[field], lambda: self._place(self.rows), field)

    def _place(self, row: int) -> str:
        return row_place(self._piece, row, self._before)


def piece_rows(piece: Piece, place: Place, column: str | None) -> Iterator[tuple[int, Fields | None]]:
    """(row, its fields) of a piece, rows counted from 1 in it: of Parquet one `column`, or all; None: a blank line."""
    part = Part(piece.path, piece.folder, piece.start, piece.stop)
    match piece.kind:
        case "bundled":
            return json_lines(Part(str(BUNDLED_FILE), "", 0, None), place)
        case "hf":
            return dataset_rows(piece.source, piece.folder, piece.start, piece.stop, place)
        case "jsonl":
            return json_lines(part, place)
        case "parquet":
            return parquet_rows(part, column)
    return ((row, {"key": piece.path, "text": whole_text(part)}) for row in (1,))


def row_place(piece: Piece, row: int, before: int | None) -> str:
    """Where a row of a piece stands: `news.jsonl:17`. Counts the rows before the piece when they are not given."""
    if piece.kind in _KEYED:
        return piece.place
    if before is None and piece.kind == "hf":
        if piece.start and not is_saved(local_path(piece.source.path, piece.folder)):
            return f"{piece.place}: row {row} of shard {piece.start + 1}"
        before = piece.start
    if before is None:
        count = lines_before if piece.kind == "jsonl" else rows_before
        before = count(Part(piece.path, piece.folder, piece.start, piece.stop))
    return f"{piece.place}:{before + row}"


def checked_text(value: object, place: Callable[[], str], field: str) -> str:
    """The text of a field, with newlines as `\\n` and no byte order mark; empty for null."""
    if value is None:
        return ""
    if not isinstance(value, str):
        kind = type(value).__name__
        raise CorpusError(f"{place()}: `{field}` holds {kind}, not text; set `text_field` to the field with the text")
    text = value.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        text.encode()
    except UnicodeEncodeError as failure:
        raise CorpusError(
            f"{place()}: character {failure.start + 1} of `{field}` is half of a surrogate pair (a broken \\u "
            "escape); mend or remove it"
        ) from None
    return text

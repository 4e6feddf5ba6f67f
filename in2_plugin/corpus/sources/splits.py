"""Split a corpus into pieces, and read each piece with `PieceReader`, in any order and any process.

Invariant: the documents of all pieces, in order, are the documents of the corpus with the same keys, whatever the size
of a piece; pieces depend only on the files. Cost of splitting: a listing, and the footer of each large Parquet file.
Memory of reading: one row, or one batch of rows for Parquet, whatever the size of the piece.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from in2_plugin.config.corpus import Source
from in2_plugin.corpus.sources.bad_rows import BadRow, BadRows, field_text
from in2_plugin.corpus.sources.file_rows import (
    Fields,
    FilePart,
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
from in2_plugin.io.remote import local_path, uri_scheme

PIECE_BYTES = 16 << 20
BUNDLED_FILE = Path(__file__).parents[1] / "data" / "python-docs.jsonl.gz"
_KEYED = ("bundled", "text")
"""Kinds whose documents have their own keys."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one source that any process can read alone. Picklable and small."""

    source: Source
    kind: str
    """`bundled`, `hf`, `jsonl`, `parquet` or `text`."""
    path: str
    """File or URI; empty for `bundled` and `hf`."""
    start: int = 0
    """In bytes of JSONL, row groups of Parquet, shards of a hub dataset, or rows of a dataset saved on disk. Only the
    first piece of a place has 0."""
    stop: int | None = None
    """In the unit of `start`; None reads to the end."""
    size: int = 0
    """Bytes in storage, 0 if unknown; only for balancing."""
    folder: str = field(default="", repr=False, compare=False)
    """Working directory in which a relative path was found."""
    shown: str = ""
    """The compressed file, if `path` is its decompressed copy."""

    @property
    def place(self) -> str:
        """Return the start of its documents' keys; equal for all pieces of one file or dataset."""
        source = self.source
        if self.kind == "hf":
            return "/".join(part for part in (source.path, source.name, source.split) if part)
        return self.shown or self.path or source.path


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything to read."""

    pieces: tuple[Piece, ...]
    """In reading order."""
    other_files: int
    """Files of the sources' folders that were skipped because of their extension."""


@dataclass(frozen=True, slots=True)
class PieceDocument:
    """One text of a piece."""

    number: int | None
    """Row of the piece, counted from 1 (for JSONL the physical line); None if `key` is set."""
    key: str | None
    """The whole key of a text file or of a bundled document."""
    text: str


def find_pieces(sources: Sequence[Source], piece_bytes: int = PIECE_BYTES) -> Corpus:
    """Return the pieces of `sources`, of about `piece_bytes` each if the format can be split.

    Raises:
        CorpusError: a source does not exist, cannot be listed or opened, or has settings that do not fit.
    """
    located = [(source, locate(source)) for source in sources]
    pieces = tuple(piece for source, found in located for piece in pieces_of(source, found, piece_bytes))
    return Corpus(pieces, sum(found.other_files for _, found in located))


def pieces_of(source: Source, found: Located, piece_bytes: int) -> list[Piece]:
    """Return the pieces of one located source."""
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
    """Iterates over the documents of one piece in order, and counts rows without text and bad rows.

    Raises while reading:
        CorpusError: a file or row cannot be read, or too many rows are bad; the error names the row of the whole file.
    """

    def __init__(self, piece: Piece, before: int | None = None, bad: BadRows | None = None) -> None:
        """Open a piece.

        Args:
            before: rows of earlier pieces of the same place; if None, an error counts them.
            bad: counts bad rows together with those of other pieces of the source, from its start. If None, any number
                is accepted unless `max_bad_rows` is 0, because one piece does not tell the share of the source.
        """
        self.rows = 0
        """Rows (lines) of the piece read so far; at the end all of them, from which the next piece counts on."""
        self.empty = 0
        """Rows without text, which were skipped."""
        self.first_bad = 0, ""
        """The first bad row of the piece and the reason; (0, "") if there is none."""
        self.bad = bad or BadRows(piece.source.path, float(piece.source.max_bad_rows > 0))
        self._piece, self._before = piece, before
        self._rows = piece_rows(piece, self._place, piece.source.text_field)

    def __next__(self) -> PieceDocument:
        for row, fields in self._rows:
            self.rows = row
            if fields is None:
                continue
            self.bad.rows += 1
            try:
                text = self._text(fields)
            except BadRow as bad:
                self._skip(row, str(bad))
                continue
            if text and not text.isspace():
                return self._document(fields, text)
            self.empty += 1
        raise StopIteration

    def _skip(self, row: int, reason: str) -> None:
        if not self.first_bad[0]:
            self.first_bad = row, reason
        self.bad.skip(partial(self._place, row), reason)

    def _document(self, fields: Fields, text: str) -> PieceDocument:
        if self._piece.kind in _KEYED:
            return PieceDocument(None, fields["key"], text)
        return PieceDocument(self.rows, None, text)

    def _text(self, fields: Fields) -> str:
        field = "text" if self._piece.kind in _KEYED else self._piece.source.text_field
        if self._piece.kind == "hf" and field not in fields:  # all rows of a dataset have the same fields
            raise missing_field(self._piece.place, field, list(fields))
        return field_text(fields, field, "text_field")

    def _place(self, row: int) -> str:
        return row_place(self._piece, row, self._before)


def piece_rows(piece: Piece, place: Place, column: str | None) -> Iterator[tuple[int, Fields | None]]:
    """Yield (row, fields) of a piece, counted from 1: of Parquet one `column` or all; a blank line has None."""
    part = FilePart(piece.path, piece.folder, piece.start, piece.stop)
    match piece.kind:
        case "bundled":
            return json_lines(FilePart(str(BUNDLED_FILE), "", 0, None), place)
        case "hf":
            return dataset_rows(piece.source, piece.folder, piece.start, piece.stop, place)
        case "jsonl":
            return json_lines(part, place)
        case "parquet":
            return parquet_rows(part, column)
    return ((row, {"key": piece.path, "text": whole_text(part)}) for row in (1,))


def row_place(piece: Piece, row: int, before: int | None) -> str:
    """Return the place of a row: `news.jsonl:17`. Counts the rows before the piece if `before` is None."""
    if piece.kind in _KEYED:
        return piece.place
    if before is None and piece.kind == "hf":
        if piece.start and not is_saved(local_path(piece.source.path, piece.folder)):
            return f"{piece.place}: row {row} of shard {piece.start + 1}"
        before = piece.start
    if before is None:
        count = lines_before if piece.kind == "jsonl" else rows_before
        before = count(FilePart(piece.path, piece.folder, piece.start, piece.stop))
    return f"{piece.place}:{before + row}"

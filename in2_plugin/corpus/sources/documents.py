"""Read documents, one at a time, from files, folders, globs, Hugging Face datasets and the bundled corpus.

Invariant: nothing is skipped silently. A file that cannot be read is a CorpusError; documents without text, bad rows,
and files of a folder that have no known format are counted on the stream. Sources are located when the stream is made,
so a misspelt path fails before any work. Memory: one document, or one batch of rows for Parquet.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from in2_plugin.config.corpus import RowSource, Source
from in2_plugin.corpus.sources.bad_rows import BadRows, lines_of
from in2_plugin.corpus.sources.locate import locate
from in2_plugin.corpus.sources.splits import (
    Piece,
    PieceDocument,
    PieceReader,
    find_pieces,
    piece_rows,
    pieces_of,
    row_place,
)
from in2_plugin.errors import CorpusError

# one process reads a file from start to end, so it needs no splitting
WHOLE = sys.maxsize
_SHARED = {"path", "format", "name", "split"}
"""Fields that both `Source` and `RowSource` have."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text of a corpus."""

    source: str
    """`path` of its source."""
    key: str
    """Unique place in the source; rows count from 1: `news.jsonl:17`, `allenai/c4/train:3`, `notes/a.md`."""
    text: str
    """Never blank; newlines are `\\n`, and a byte order mark is removed."""


class DocumentStream(Iterator[Document]):
    """Iterates over the documents of several sources in order, and counts what was read so far."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.documents = 0
        """Documents yielded."""
        self.empty = 0
        """Rows and files without text, which were skipped."""
        found = [(source, find_pieces([source], WHOLE)) for source in sources]
        self.other_files = sum(corpus.other_files for _, corpus in found)
        """Files of the sources' folders that were skipped because of their extension."""
        self.bad = [BadRows(source.path, source.max_bad_rows) for source in sources]
        """Counts of bad rows, which were skipped, for each source."""
        self._stream = self._read([(source, corpus.pieces) for source, corpus in found])

    def __next__(self) -> Document:
        return next(self._stream)

    def _read(self, found: list[tuple[Source, tuple[Piece, ...]]]) -> Iterator[Document]:
        for (source, pieces), bad in zip(found, self.bad, strict=True):
            for place, row in islice(self._documents(pieces, bad), source.limit):
                self.documents += 1
                yield Document(source.path, place, row.text)
            bad.require()
        if not self.documents:
            paths = ", ".join(source.path for source, _ in found)
            skipped = "".join(f" ({line})" for line in lines_of(self.bad))
            read = self.empty + sum(bad.count for bad in self.bad)
            raise CorpusError(
                f"{paths}: not one document with text among {read} read{skipped}; set another source or `text_field`"
            )

    def _documents(self, pieces: Sequence[Piece], bad: BadRows) -> Iterator[tuple[str, PieceDocument]]:
        before, empty = 0, self.empty
        for piece in pieces:
            before = before if piece.start else 0
            reader = PieceReader(piece, before, bad)
            for document in reader:
                self.empty = empty + reader.empty
                yield document.key or f"{piece.place}:{before + (document.number or 0)}", document
            before, empty = before + reader.rows, empty + reader.empty
            self.empty = empty


def read_documents(sources: Sequence[Source]) -> DocumentStream:
    """Stream the documents of `sources`, each source up to its `limit`.

    Raises:
        CorpusError: immediately, if a source does not exist or has settings that do not fit; while reading, if a file
            cannot be read or all first rows are bad; at the end of a source, if too many of its rows are bad; at the
            end, if there was no document.
    """
    return DocumentStream(sources)


def read_rows(source: RowSource) -> Iterator[tuple[str, dict[str, Any]]]:
    """Stream the rows of a source, each with its place (`chats.jsonl:17`), up to its `limit`.

    Raises:
        CorpusError: immediately, if the source does not exist; while reading, if a file or row cannot be read.
    """
    found = locate(Source.model_validate(source.model_dump(include=_SHARED, exclude_defaults=True)))
    if found.kind == "bundled" or any(kind == "text" for _, kind in found.files):
        raise CorpusError(
            f"{source.path}: contains plain text, not rows with fields; set `path` to JSONL, Parquet or a dataset"
        )
    # the two classes of sources have different defaults
    same = Source.model_validate({name: getattr(source, name) for name in _SHARED})
    return islice(_whole_rows(pieces_of(same, found, WHOLE)), source.limit)


def _whole_rows(pieces: Sequence[Piece]) -> Iterator[tuple[str, dict[str, Any]]]:
    before = row = 0
    for piece in pieces:
        before = before + row if piece.start else 0

        def place(number: int, piece: Piece = piece, before: int = before) -> str:
            return row_place(piece, number, before)

        row = 0
        for row, fields in piece_rows(piece, place, None):
            if fields is not None:
                yield place(row), fields

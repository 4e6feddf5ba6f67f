"""Run the segment stage in shards: group pieces of a corpus, cut each shard in a worker, merge the results in order.

A shard's file is a sequence of Arrow streams: documents and their segments, chunk by chunk, and last the pieces with
their numbers of rows. Invariants: shards depend only on the corpus; a document's key contains its row in the whole
file, which is known only after all earlier shards are merged. Memory: a chunk of 1 MB of text, in worker and driver.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from in2_plugin.config import Source
from in2_plugin.corpus.cutting import Cut, Cutter, chunks
from in2_plugin.corpus.sources.bad_rows import BadRows
from in2_plugin.corpus.sources.splits import Piece, PieceReader
from in2_plugin.corpus.store_writer import StoreWriter
from in2_plugin.io.arrow_stream import read_batches, serialize_batch

SHARD_BYTES = 16 << 20
MOST_PIECES = 4_096
"""Maximum pieces per shard; a piece is a file or a part of one."""
DOCUMENTS, SEGMENTS, PIECES = 0, 1, 2
"""Contents of a stream."""


@dataclass(frozen=True, slots=True)
class CorpusShard:
    """Consecutive pieces of one source."""

    pieces: tuple[Piece, ...]

    @property
    def limit(self) -> int | None:
        """Maximum number of documents to read from the source."""
        return self.pieces[0].source.limit


def shards_of(pieces: Iterable[Piece], size: int) -> list[CorpusShard]:
    """Group the pieces of one source into shards of about `size` bytes; a piece of unknown size is a shard alone."""
    shards: list[CorpusShard] = []
    group: list[Piece] = []
    for piece in pieces:
        full = sum(one.size for one in group) >= size or len(group) == MOST_PIECES
        if group and (full or not piece.size):
            shards.append(CorpusShard(tuple(group)))
            group = []
        group.append(piece)
    return [*shards, CorpusShard(tuple(group))] if group else shards


@dataclass(frozen=True, slots=True)
class _ShardDocument:
    """A document of a shard."""

    piece: int
    number: int | None
    key: str | None
    text: str


@dataclass(frozen=True, slots=True)
class PieceCounts:
    """Rows of one piece; the columns of PIECE_COUNTS."""

    rows: int
    empty: int
    bad: int
    first_bad: int
    reason: str


PIECE_COUNTS = pa.schema(
    [(name, pa.int64()) for name in ("rows", "empty", "bad", "first_bad")] + [("reason", pa.string())]
)


class ShardCutter:
    """Reads and cuts shards, in this process or in a worker."""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter

    def __call__(self, shard: CorpusShard) -> Iterator[bytes]:
        passed: list[PieceCounts] = []
        for chunk in chunks(islice(_documents(shard, passed), shard.limit)):
            cut = self._cutter([document.text for document in chunk])
            yield serialize_batch(_document_batch(chunk, cut), {"holds": DOCUMENTS})
            yield serialize_batch(_segment_batch(cut), {"holds": SEGMENTS})
        yield serialize_batch(pa.RecordBatch.from_pylist(list(map(asdict, passed)), PIECE_COUNTS), {"holds": PIECES})


def _documents(shard: CorpusShard, passed: list[PieceCounts]) -> Iterator[_ShardDocument]:
    """Yield the documents of all pieces; append the counts of each piece to `passed`."""
    for i, piece in enumerate(shard.pieces):
        reader = PieceReader(piece)
        try:
            for document in reader:
                yield _ShardDocument(i, document.number, document.key, document.text)
        finally:
            passed.append(PieceCounts(reader.rows, reader.empty, reader.bad.count, *reader.first_bad))


def _document_batch(chunk: Sequence[_ShardDocument], cut: Cut) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "piece": pa.array([document.piece for document in chunk], pa.uint32()),
            "number": pa.array([document.number for document in chunk], pa.int64()),
            "key": pa.array([document.key for document in chunk], pa.string()),
            "n_segments": pa.array(cut.n_segments, pa.uint32()),
        }
    )


def _segment_batch(cut: Cut) -> pa.RecordBatch:
    edges = np.concatenate([[0], np.cumsum(cut.n_tokens)]).astype(np.int64)
    return pa.record_batch(
        {
            "start": pa.array(cut.spans[:, 0], pa.uint32()),
            "stop": pa.array(cut.spans[:, 1], pa.uint32()),
            "text": pa.array(cut.texts, pa.large_string()),
            "standing": pa.array(cut.standings, pa.uint8()),
            "ids": pa.LargeListArray.from_arrays(pa.array(edges), pa.array(cut.ids)),
        }
    )


class Merger:
    """Appends shards to a store, in order."""

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer
        self._rows: Counter[str] = Counter()
        """Rows read so far of each place."""
        self.empty = 0
        self.bad: dict[Source, BadRows] = {}
        """Counts of bad rows of each source."""

    def add(self, shard: CorpusShard, path: Path, most: int | None) -> int:
        """Append at most `most` documents of a shard, and return how many."""
        before, added = [], 0
        source = shard.pieces[0].source
        bad = self.bad.setdefault(source, BadRows(source.path, source.max_bad_rows))
        for piece, counts in zip(shard.pieces, _pieces(path), strict=False):
            if not piece.start:  # a file that is listed twice is counted from the start again
                self._rows[piece.place] = 0
            before.append(self._rows[piece.place])
            self._rows[piece.place] += counts.rows
            self.empty += counts.empty
            bad.rows += counts.rows
            if counts.bad:
                bad.add(partial(str, f"{piece.place}:{before[-1] + counts.first_bad}"), counts.reason, counts.bad)
        for documents, segments in _chunks(path):
            n = len(documents) if most is None else min(len(documents), most - added)
            if n <= 0:
                break
            keys = [
                key if number is None else f"{shard.pieces[piece].place}:{before[piece] + number}"
                for piece, number, key in zip(
                    *(documents[name].slice(0, n).to_pylist() for name in ("piece", "number", "key")), strict=True
                )
            ]
            self._writer.add([source.path] * n, keys, _cut(documents.slice(0, n), segments))
            added += n
        return added

    def require(self) -> None:
        """Check the share of bad rows of each source, after the last shard.

        Raises:
            CorpusError: a source has too many bad rows.
        """
        for bad in self.bad.values():
            bad.require()


def documents_in(path: Path) -> int:
    """Return the number of documents of a complete shard."""
    return sum(len(batch) for batch, facts in read_batches(path) if facts["holds"] == DOCUMENTS)


def _pieces(path: Path) -> list[PieceCounts]:
    for batch, facts in read_batches(path):
        if facts["holds"] == PIECES:
            return [PieceCounts(**row) for row in batch.to_pylist()]
    return []


def _chunks(path: Path) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    documents: pa.RecordBatch | None = None
    for batch, facts in read_batches(path):
        if facts["holds"] == DOCUMENTS:
            documents = batch
        elif facts["holds"] == SEGMENTS and documents is not None:
            yield documents, batch


def _cut(documents: pa.RecordBatch, segments: pa.RecordBatch) -> Cut:
    n_segments = np.asarray(documents["n_segments"]).astype(np.int64)
    own = segments.slice(0, int(n_segments.sum()))
    ids = own["ids"]
    return Cut(
        n_segments=n_segments,
        spans=np.stack([np.asarray(own["start"]), np.asarray(own["stop"])], axis=1).astype(np.int64),
        texts=own["text"],
        ids=np.asarray(ids.flatten()),
        n_tokens=np.diff(np.asarray(ids.offsets)).astype(np.int64),
        standings=np.asarray(own["standing"]),
    )

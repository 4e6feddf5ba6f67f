"""Decompress large compressed files once, so that many workers can read ranges of them.

Invariant: keys and messages name the file that is in the build file. Cost: the time to decompress, in one process, and
disk space for the text until segments are merged.
"""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from in2_plugin import layout
from in2_plugin.corpus.sources.split_files import ranges
from in2_plugin.corpus.sources.splits import Piece
from in2_plugin.io.atomic import write_atomic
from in2_plugin.io.lock import file_lock
from in2_plugin.io.remote import COMPRESSIONS, open_decompressed
from in2_plugin.pipeline.run import Run

UNPACK_BYTES = 64 << 20
"""One worker needs about a minute and a half for a compressed file of this size."""
UNPACKED = "unpacked"
COPY_BYTES = 4 << 20


def unpacked(run: Run, pieces: tuple[Piece, ...], size: int) -> Iterator[Piece]:
    """Yield the pieces, with large compressed JSON Lines files decompressed and split into about `size` bytes each.

    With Ray storage, workers do not share a disk with the driver, so all pieces are yielded unchanged.

    Raises:
        CorpusError: a file cannot be read.
    """
    for piece in pieces:
        if piece.size < UNPACK_BYTES or not _is_packed(piece) or run.config.ray.storage:
            yield piece
            continue
        path = _unpack(run, piece)
        for start, stop, bytes_ in ranges(path.stat().st_size, size):
            yield replace(piece, path=str(path), start=start, stop=stop, size=bytes_, folder="", shown=piece.path)


def _is_packed(piece: Piece) -> bool:
    return piece.kind == "jsonl" and Path(piece.path).suffix.lower() in COMPRESSIONS


def _unpack(run: Run, piece: Piece) -> Path:
    folder = (run.folder / layout.PARTS / UNPACKED).absolute()
    path = folder / f"{hashlib.sha256(f'{piece.path} {piece.size}'.encode()).hexdigest()[:16]}.jsonl"

    def write(part: Path) -> None:
        with open_decompressed(piece.path, piece.folder) as packed, part.open("wb") as file:
            shutil.copyfileobj(packed, file, COPY_BYTES)

    # other jobs of an array wait for the first one
    with file_lock(folder / layout.UNPACKING_LOCK):
        if not path.exists():
            with run.progress.stage(f"unpacking {piece.path}", None):
                write_atomic(path, write)
    return path

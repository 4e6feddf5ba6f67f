"""Reading pieces: the bundled ones, or a folder in the layout that the paper's authors published.

A folder holds one JSONL file for each probe, gzipped or not. Rows come back in file order, so a seed means the same
items everywhere. Cost: 5,000 bundled rows of a kind parse in about 30 ms.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.kinds import Kind, Piece

BUNDLED = Path(__file__).parents[1] / "data"


def read_pieces(kind: Kind, folder: Path | None = None) -> tuple[Piece, ...]:
    """All pieces of `kind` in `folder`, or the bundled ones.

    Raises:
        ProbeError: no such file, or a row that is not JSON or lacks a text field; names file and row.
    """
    path = _find(kind, BUNDLED if folder is None else folder)
    pieces = tuple(_rows(kind, path))
    if not pieces:
        raise ProbeError(f"{path} holds no pieces for the {kind.name} probe; give another folder as `probe_pieces`")
    return pieces


def _find(kind: Kind, folder: Path) -> Path:
    for name in (kind.file, f"{kind.file}.gz"):
        if (folder / name).is_file():
            return folder / name
    raise ProbeError(
        f"{folder} has no {kind.file}; set `probe_pieces` to a folder that has it (in a clone of microsoft/FILM: "
        "VaLProbing/pieces) or leave it out"
    )


def _rows(kind: Kind, path: Path) -> Iterator[Piece]:
    number = 1
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for line in lines:
                piece = kind.to_piece(json.loads(line)) if line.strip() else None
                if piece is not None:
                    yield piece
                number += 1
    except KeyError as missing:
        raise ProbeError(f"{path}, row {number}: field {missing} is missing; it must be like {kind.file}") from None
    except (TypeError, AttributeError, ValueError, EOFError, OSError) as problem:
        raise ProbeError(f"{path}, row {number}: cannot be read ({problem}); fetch the file again") from None

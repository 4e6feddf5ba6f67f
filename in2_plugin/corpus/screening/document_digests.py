"""Tell which documents a dataset or a probe contains: `documents.parquet`, one row with a digest per document.

Invariant: a digest depends only on the characters of a document that are not whitespace, so it is the same for every
tokenizer, segment length and line width. Segments leave out only whitespace, so the digests come from the segment
store. Cost: one pass over the texts of those documents, about 100 MB per second; 32 bytes per row on disk.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import DatasetError
from in2_plugin.io.atomic import write_atomic

DOCUMENTS_SCHEMA = pa.schema([("document", pa.uint32()), ("sha256", pa.string()), ("name", pa.string())])
"""Number of the document in its segment store, digest, and its place in the source."""


def document_digest(texts: Iterable[str]) -> str:
    """Return the SHA-256 in hex of a text without its whitespace; `texts` are consecutive parts of it."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update("".join(text.split()).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def write_digests(path: Path, store: SegmentStore, segments: npt.NDArray[np.uint32]) -> int:
    """Write the documents that these segments are from, in order, and return their number.

    Args:
        path: `layout.DOCUMENTS` of the folder; written atomically.
        segments: ids in any order, with repetitions.
    """
    numbers = np.unique(store.document[segments])
    table = pa.table(
        [
            pa.array(numbers, pa.uint32()),
            pa.array([document_digest(_texts(store, int(number))) for number in numbers], pa.string()),
            store.documents["key"].take(pa.array(numbers)),
        ],
        schema=DOCUMENTS_SCHEMA,
    )
    write_atomic(path, lambda part: pq.write_table(table, part, compression="zstd"))
    return len(numbers)


def _texts(store: SegmentStore, document: int) -> Sequence[str]:
    segments = store.segments_of(document)
    texts: list[str] = store.table["text"].slice(segments.start, len(segments)).to_pylist()
    return texts


def read_digests(path: Path) -> frozenset[str]:
    """Return the digests in a file of documents.

    Raises:
        DatasetError: the file is missing or damaged.
    """
    try:
        return frozenset(pq.read_table(path, columns=["sha256"])["sha256"].to_pylist())
    except FileNotFoundError:
        raise DatasetError(
            f"{path}: is missing; an earlier version wrote the folder. Run the same build again to add it"
        ) from None
    except (OSError, pa.ArrowException) as failure:
        raise DatasetError(f"{path}: cannot be read ({failure}); build the folder again") from None


def digests_beside(model: Path) -> Path | None:
    """Return the file with the documents that a model was trained on, from its folder or the folder around it."""
    # checkpoints and merged adapters are in a subfolder of the output folder
    paths = (folder / layout.TRAINING_DOCUMENTS for folder in (model, model.resolve().parent))
    return next((path for path in paths if path.is_file()), None) if model.is_dir() else None

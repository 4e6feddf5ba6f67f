"""Record the documents of the training data beside the model: in2_documents.parquet in its output folder.

With this file, `in2_probe` warns when it asks about documents that the model was trained on. The file has a digest per
document and the digests of the datasets, those of the base model included, and no text, name or path. It is written
when training begins, so that checkpoints of an interrupted run have it, too. Cost: 32 bytes per document.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from transformers import TrainerCallback

from in2_plugin import layout
from in2_plugin.corpus.screening.document_digests import digests_beside, read_digests
from in2_plugin.dataset.reader import read_manifest
from in2_plugin.errors import DatasetError
from in2_plugin.io.atomic import write_atomic

DATASETS = b"in2_datasets"
"""Key of the file's metadata: the contents of the datasets, as a JSON list."""


def write_training_documents(model: Path, datasets: Sequence[Path], base: str = "") -> int:
    """Write the documents of these datasets into a model folder, and return their number.

    Args:
        base: the model that the training starts from; if it is a folder with such a file, its documents are included.

    Raises:
        DatasetError: a dataset has no list of its documents.
    """
    earlier = digests_beside(Path(base)) if base else None
    lists = [*(folder / layout.DOCUMENTS for folder in datasets), *filter(None, [earlier])]
    digests = sorted(frozenset().union(*map(read_digests, lists)))
    contents = [*_datasets_in(earlier), *(read_manifest(folder).content for folder in datasets)]
    schema = pa.schema([("sha256", pa.string())], {DATASETS: json.dumps(contents)})
    table = pa.table([pa.array(digests, pa.string())], schema=schema)
    model.mkdir(parents=True, exist_ok=True)
    write_atomic(model / layout.TRAINING_DOCUMENTS, lambda part: pq.write_table(table, part, compression="zstd"))
    return len(digests)


def _datasets_in(path: Path | None) -> list[str]:
    metadata = pq.read_schema(path).metadata if path else None
    return list(json.loads((metadata or {}).get(DATASETS, b"[]")))


class TrainingDocuments(TrainerCallback):
    """Writes the file in the first process of a run."""

    def __init__(self, datasets: Sequence[Path], say: Callable[[str], None]) -> None:
        """Take the folders of the training datasets; `say` gets one line if they have no list of documents."""
        self._datasets, self._say = datasets, say

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Write the documents into the output folder."""
        if not state.is_world_process_zero:
            return
        try:
            base = getattr(getattr(model, "config", None), "_name_or_path", "") or ""
            write_training_documents(Path(args.output_dir), self._datasets, base)
        except DatasetError as missing:
            self._say(f"the model gets no record of its training documents, for probes to compare: {missing}")

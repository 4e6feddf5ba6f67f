"""Warn when a probe asks about documents that the model was trained on.

The model's documents come from the file that training leaves beside it (`training/documents.py`), or from
`--metadata '{"trained_on": "FOLDER"}'`: a dataset folder, or the folder of a model that was trained with us. Without
either, nothing is known and nothing is said. Cost: 32 bytes per document, read once.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from in2_plugin import layout
from in2_plugin.corpus.screening.document_digests import digests_beside, read_digests
from in2_plugin.errors import ConfigError

_LOG = logging.getLogger(__name__)
MODEL_ARGUMENTS = ("peft", "pretrained")
"""Arguments of lm_eval's models that may be a folder with the file; an adapter and its base model have one each."""


def warn_of_training_documents(probe: Path, trained_on: str | None, lm_eval_args: Mapping[str, Any]) -> None:
    """Log a warning with numbers if documents of the probe folder are in the model's training data.

    Args:
        trained_on: a folder with a list of documents; found beside the model when None.
        lm_eval_args: YAML metadata, model arguments and `--metadata` in one dictionary, as lm_eval passes them.

    Raises:
        ConfigError: the folder of `trained_on` has no list of documents.
        DatasetError: a list of documents cannot be read.
    """
    if not (lists := _training_lists(trained_on, lm_eval_args)):
        return
    asked = read_digests(probe / layout.DOCUMENTS)
    trained = frozenset().union(*map(read_digests, lists))
    shared = len(asked & trained)
    where = ", ".join(str(path.parent) for path in lists)
    if shared:
        _LOG.warning(
            "%s of the %s documents of %s (%.0f%%) are in the training data of the model (%s), so its scores may be "
            "memory; build the probe from other documents, or with `corpus.decontamination.against`",
            f"{shared:,}", f"{len(asked):,}", probe, 100 * shared / len(asked), where,
        )  # fmt: skip
    else:
        _LOG.info("none of the %s documents of %s is in the training data of the model (%s)", len(asked), probe, where)


def _training_lists(trained_on: str | None, lm_eval_args: Mapping[str, Any]) -> list[Path]:
    """Return the lists of documents that the model was trained on."""
    if trained_on is not None:
        return [_list_in(Path(trained_on))]
    models = [Path(str(lm_eval_args[name])) for name in MODEL_ARGUMENTS if lm_eval_args.get(name)]
    return list(dict.fromkeys(filter(None, map(digests_beside, models))))


def _list_in(folder: Path) -> Path:
    for name in (layout.DOCUMENTS, layout.TRAINING_DOCUMENTS):
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(
        f"`trained_on`: {folder} has neither {layout.DOCUMENTS} nor {layout.TRAINING_DOCUMENTS}; give a dataset folder "
        "of `in2 build` (run the build again if an earlier version wrote it), or the folder of a model trained on one"
    )

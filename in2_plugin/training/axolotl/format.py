"""The dataset format `type: in2`: turn rows of examples.parquet into token ids and labels.

Axolotl finds it as `in2` with the plugin and as `in2_plugin.axolotl` without it. Invariant: labels are -100 everywhere
except on the answer and its end-of-turn token, and no example is longer than `sequence_len`. Cost: about 0.3 ms per
example of 16K tokens; 13 bytes per token in Axolotl's prepared dataset.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from axolotl.prompt_tokenizers import DatasetWrappingStrategy
from axolotl.utils.logging import get_logger
from datasets import Features, IterableDataset, Sequence, Value

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import IN2Dataset, Manifest, revision_of
from in2_plugin.errors import ConfigError, In2Error
from in2_plugin.training.axolotl.plugins import PLUGIN

LOG = get_logger(f"axolotl.{__name__}")  # Axolotl shows INFO only for loggers in its own namespace
UNPREPARED = ("streaming", "pretraining_dataset", "skip_prepare_dataset")
"""Settings under which Axolotl stores no prepared rows."""
FEATURES = Features(
    {
        "input_ids": Sequence(Value("int32")),
        "attention_mask": Sequence(Value("int8")),
        "labels": Sequence(Value("int64")),  # as in Axolotl's own formats; other types cannot be mixed with them
    }
)


def load(tokenizer: Any, cfg: Mapping[str, Any], ds_cfg: Mapping[str, Any]) -> "IN2Strategy":
    """Return the strategy that Axolotl requests for an entry; exit with one sentence if the entry is invalid."""
    try:
        dataset = IN2Dataset(ds_cfg["path"], ModelTokenizer(tokenizer))
        dataset.require_stored_ids()
        require_room(ds_cfg["path"], dataset.manifest, cfg.get("sequence_len"))
        require_revision(cfg, ds_cfg)
    except In2Error as error:
        exit_with(error)
    return IN2Strategy(dataset)


def require_room(path: str, manifest: Manifest, sequence_len: int | None) -> None:
    """Refuse a `sequence_len` that is shorter than the longest example.

    Raises:
        ConfigError: names the value to set.
    """
    if sequence_len is None or sequence_len < manifest.longest:
        raise ConfigError(
            f"`sequence_len: {sequence_len}` is too short for {path}, whose longest example has {manifest.longest:,} "
            f"tokens; set `sequence_len: {manifest.longest}` or more, or build with a lower lengths.max"
        )


def require_revision(cfg: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    """Refuse an entry that does not name the dataset's revision, which the plugin sets.

    Axolotl would go on using the rows that it prepared from an earlier build, without calling this module.

    Raises:
        ConfigError: has the revision.
    """
    if any(cfg.get(key) for key in UNPREPARED):
        return
    revision = revision_of(Path(entry["path"]))
    if entry.get("revision") != revision:
        stated = f"names revision {entry['revision']}, not" if entry.get("revision") else "does not name"
        raise ConfigError(
            f"{entry['path']}: the entry {stated} the present revision, so Axolotl cannot tell rows prepared from this "
            f"build from those of another; add `plugins: [{PLUGIN}]`, which sets it, or set `revision: {revision}` in "
            "the entry, and again after each build"
        )


def exit_with(error: In2Error) -> NoReturn:
    """Exit with the error message; Axolotl would bury a raised exception in a traceback."""
    sys.exit(f"in2: {error}")


class IN2Strategy(DatasetWrappingStrategy):
    """Renders a whole dataset."""

    def __init__(self, dataset: IN2Dataset) -> None:
        self._dataset = dataset

    def wrap_dataset(
        self, dataset: Any, process_count: int | None = None, keep_in_memory: bool | None = False, **_: Any
    ) -> Any:
        """Map rows of examples.parquet to `input_ids`, `attention_mask` and `labels`."""
        if isinstance(dataset, IterableDataset):
            return dataset.map(self._render, remove_columns=dataset.column_names, features=FEATURES)
        rendered = dataset.map(
            self._render,
            remove_columns=dataset.column_names,
            features=FEATURES,
            num_proc=process_count,
            keep_in_memory=bool(keep_in_memory),
            load_from_cache_file=False,  # that cache misses changes of the segment store; Axolotl has its own
            desc="Rendering IN2 examples",
        )
        answers, tokens = sum(dataset["n_answer_tokens"]), sum(dataset["n_tokens"])
        LOG.info(f"{self._dataset.folder}: all {answers:,} answer tokens of {tokens:,} tokens are supervised")
        return rendered

    def _render(self, row: Mapping[str, Any]) -> dict[str, Any]:
        rendered = self._dataset.render(row)
        ids = rendered.input_ids.astype(np.int32)
        return {
            "input_ids": ids,
            "attention_mask": np.ones(len(ids), np.int8),
            "labels": rendered.labels,
        }

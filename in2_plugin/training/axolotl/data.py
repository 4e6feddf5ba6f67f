"""Load datasets of `type: in2` lazily for Axolotl's trainer.

Invariant: where lazy loading is not possible, Axolotl prepares the datasets and the log gives the reason. Opening a
dataset costs a few memory maps per rank, whatever the number of examples.
"""

from collections.abc import Mapping
from typing import Any

from axolotl.common.datasets import TrainDatasetMeta
from axolotl.loaders import load_tokenizer
from axolotl.utils.logging import get_logger
from axolotl.utils.schemas.datasets import SFTDataset
from axolotl.utils.trainer import calculate_total_num_steps

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.args import IN2Options
from in2_plugin.training.axolotl.context_parallel import uses_ulysses
from in2_plugin.training.axolotl.plugins import TYPES
from in2_plugin.training.dataset import LazyExamples
from in2_plugin.training.distillation.teachers import is_in_step, open_teachers, other_model_warning, teacher_sentence

LOG = get_logger(f"axolotl.{__name__}")
LAZY_KEYS = {"path", "type", "revision"}
"""Keys that a lazily loaded entry may have; the plugin itself sets `revision`."""
EAGER_ONLY = ("rl", "reward_model", "process_reward_model", "pretraining_dataset", "streaming", "use_pose",
            "dataset_exact_deduplication", "processor_type", "balance_labels")  # fmt: skip
"""Settings under which Axolotl reads or changes rows itself."""


def load_lazy_datasets(cfg: Any, options: IN2Options, *, preprocess: bool) -> TrainDatasetMeta | None:
    """Return the datasets of a validated config, or None if Axolotl has to prepare them.

    Raises:
        ConfigError: `in2: {lazy: true}` conflicts with another setting.
        DatasetError, TokenizerMismatch: a dataset cannot be used.
    """
    if reason := not_lazy_reason(options, cfg):
        if options.lazy is True:
            raise ConfigError(f"`in2: {{lazy: true}}` is not possible: {reason}; remove one of the two")
        LOG.info(f"in2: examples are prepared in advance: {reason}")
        return None
    tokenizer = ModelTokenizer(load_tokenizer(cfg))
    train, held_out = _datasets(cfg, tokenizer)
    if options.objective != "answer":
        folders = [*train.folders, *(held_out.folders if held_out is not None else [])]
        in_step = is_in_step(folders, options.distillation, adapter=starts_as_initial(cfg))
        train = _taught(train, cfg, options, in_step=in_step)
        held_out = held_out and _taught(held_out, cfg, options, in_step=in_step)
    LOG.info(
        f"in2: {len(train):,} examples are assembled when the trainer reads them; nothing is prepared or written"
        + (f", {len(held_out):,} are held out" if held_out is not None else "")
    )
    cfg.total_num_tokens = cfg.total_num_tokens or int(train.lengths.sum())
    cfg.total_supervised_tokens = cfg.total_supervised_tokens or train.n_answer_tokens
    if preprocess:
        return TrainDatasetMeta(train_dataset=train, eval_dataset=held_out, total_num_steps=-1)
    steps = calculate_total_num_steps(cfg, train)
    return TrainDatasetMeta(train, held_out, min(steps, cfg.max_steps) if cfg.max_steps else steps)


def starts_as_initial(cfg: Mapping[str, Any]) -> bool:
    """Return True if only an adapter is trained, without which the model is that before training."""
    # relora merges adapters into the model; one that was trained before is part of the model before training
    return bool(cfg.get("adapter")) and not (cfg.get("relora") or cfg.get("lora_model_dir"))


def not_lazy_reason(options: IN2Options, cfg: Mapping[str, Any]) -> str | None:
    """Return why examples are prepared in advance, or None if they are loaded lazily."""
    return "`lazy: false` is set" if options.lazy is False else eager_reason(cfg)


def eager_reason(cfg: Mapping[str, Any]) -> str | None:
    """Return why the datasets cannot be loaded lazily, or None if they can."""
    entries = [*(cfg.get("datasets") or []), *(cfg.get("test_datasets") or [])]
    if not entries:
        return "there is no dataset"
    for entry in entries:
        if entry.get("type") not in TYPES:
            return f"{entry.get('path')} is not of `type: in2`"
        if key := further_key(entry):
            return f"the dataset {entry.get('path')} has `{key}:`"
    return next((f"`{name}:` is set" for name in EAGER_ONLY if cfg.get(name)), None)


def further_key(entry: Mapping[str, Any]) -> str | None:
    """Return a key of a validated entry of ours, other than LAZY_KEYS, that has a value; None without one."""
    plain = SFTDataset(path=entry["path"], type=entry["type"]).model_dump()
    more = sorted(name for name, value in entry.items() if value != plain.get(name) and name not in LAZY_KEYS)
    return more[0] if more else None


def _datasets(cfg: Any, tokenizer: ModelTokenizer) -> tuple[LazyExamples, LazyExamples | None]:
    split = uses_ulysses(cfg)  # which needs `position_ids` in every batch
    packed = bool(cfg.sample_packing) or split
    train = LazyExamples.open([entry["path"] for entry in cfg.datasets], tokenizer, packed=packed)
    if cfg.test_datasets:
        packed = split or (bool(cfg.sample_packing) and cfg.eval_sample_packing is not False)
        return train, LazyExamples.open([entry["path"] for entry in cfg.test_datasets], tokenizer, packed=packed)
    n = held_out(cfg, len(train))
    return train.split(n, split_seed(cfg)) if n else (train, None)


def _taught(examples: LazyExamples, cfg: Any, options: IN2Options, *, in_step: bool) -> LazyExamples:
    teachers = open_teachers(examples.folders, options.distillation, in_step=in_step)
    LOG.info(f"in2: {len(examples):,} examples: {teacher_sentence(teachers, options.distillation)}")
    if warning := other_model_warning(teachers, options.distillation, cfg.base_model):
        LOG.warning(f"in2: {warning}")
    return examples.taught_by(teachers)


def held_out(cfg: Any, rows: int) -> int:
    """Return how many of the training rows `val_set_size` holds out.

    Raises:
        ConfigError: one of the two parts would be empty.
    """
    if not cfg.val_set_size:
        return 0
    share = float(cfg.val_set_size)
    n = int(share) if share >= 1 else round(share * rows)
    if not 0 < n < rows:
        raise ConfigError(f"`val_set_size: {cfg.val_set_size}` leaves an empty split of {rows:,} examples; change it")
    return n


def split_seed(cfg: Any) -> int:
    """Return the seed that decides which rows are held out."""
    return 42 if cfg.seed is None else int(cfg.seed)

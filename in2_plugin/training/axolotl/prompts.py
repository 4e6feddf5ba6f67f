"""Load datasets of `type: in2` as prompts for `rl: grpo` and `rl: gdpo` of Axolotl.

Axolotl finds a transform under `type:` only in a module outside any package, keeps what it makes on disk, and neither
filters nor counts long prompts under GRPO. Here prompts are assembled when they are read. Invariant: prompt and
completion fit into `sequence_len`; longer prompts are left out and counted in the log.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from axolotl.common.datasets import TrainDatasetMeta
from axolotl.loaders import load_tokenizer
from axolotl.utils.logging import get_logger

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.args import options_of
from in2_plugin.training.axolotl.data import further_key, held_out, split_seed
from in2_plugin.training.axolotl.plugins import TYPES, rl_of
from in2_plugin.training.prompts import ChosenPrompts, choose_prompts

LOG = get_logger(f"axolotl.{__name__}")


def choose_axolotl_prompts(cfg: Any, tokenizer: Any = None) -> ChosenPrompts:
    """Return the prompts of `datasets` that fit into `sequence_len`.

    Args:
        cfg: a validated config with a dataset of ours.
        tokenizer: as Axolotl loads it; loaded here if not given.

    Raises:
        ConfigError: datasets of ours are mixed with others, one has a key that is not read, or no prompt fits.
        DatasetError, TokenizerMismatch: a dataset cannot be used.
    """
    for entry in (*(cfg.datasets or []), *(cfg.test_datasets or [])):
        if entry.get("type") not in TYPES:
            raise ConfigError(
                f"under `rl: {rl_of(cfg)}`, {entry.get('path')} cannot be mixed with datasets of `type: in2`; write "
                "those with `in2 export --to grpo`, and name the export without `type:`"
            )
        if key := further_key(entry):
            raise ConfigError(
                f"under `rl: {rl_of(cfg)}`, `{key}:` of the dataset {entry['path']} is not read; remove it, or name an "
                "export of `in2 export --to grpo` without `type:`"
            )
    return _choose(cfg, cfg.datasets, tokenizer)


def load_prompt_datasets(cfg: Any, chosen: ChosenPrompts) -> TrainDatasetMeta:
    """Return the chosen prompts for training, and those of `test_datasets` or `val_set_size`.

    Raises:
        ConfigError: `val_set_size` leaves one of the two parts empty.
    """
    left_out = f"; left out: {chosen.left_out}" if chosen.left_out else ""
    LOG.info(f"in2: {len(chosen.places):,} prompts, which are assembled when the trainer reads them{left_out}")
    train = chosen.as_dataset()
    if cfg.test_datasets:
        return TrainDatasetMeta(train, _choose(cfg, cfg.test_datasets).as_dataset())
    # whole examples, so that no context is in both parts
    examples = sorted({place[:2] for place in chosen.places})
    if not (n := held_out(cfg, len(examples))):
        return TrainDatasetMeta(train)
    drawn = np.random.default_rng(split_seed(cfg)).permutation(len(examples))[:n]
    kept_out = {examples[i] for i in drawn}
    is_out = np.array([place[:2] in kept_out for place in chosen.places])
    return TrainDatasetMeta(train.select(np.flatnonzero(~is_out)), train.select(np.flatnonzero(is_out)))


def _choose(cfg: Any, entries: Sequence[Any], tokenizer: Any = None) -> ChosenPrompts:
    return choose_prompts(
        [entry["path"] for entry in entries],
        ModelTokenizer(tokenizer or load_tokenizer(cfg)),
        number_segments=options_of(cfg).number_segments,
        max_prompt_tokens=most_prompt_tokens(cfg),
    )


def generation_settings(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of TRL that Axolotl 0.19 to 0.21 accepts under `trl:` and does not pass on under GRPO."""
    given = cfg.get("trl") or {}
    return {name: dict(given[name]) for name in ("chat_template_kwargs", "generation_kwargs") if given.get(name)}


def most_prompt_tokens(cfg: Mapping[str, Any]) -> int:
    """Return the tokens that `sequence_len` leaves for a prompt.

    Raises:
        ConfigError: the length of completions is not set, or leaves nothing.
    """
    length, completion = cfg.get("sequence_len") or 0, (cfg.get("trl") or {}).get("max_completion_length")
    if not completion:
        raise ConfigError(
            f"`rl: {rl_of(cfg)}` needs `trl: {{max_completion_length: ...}}`; set it to the tokens of the longest "
            "answer that you want, citations and thoughts included"
        )
    if completion >= length:
        raise ConfigError(
            f"`trl.max_completion_length: {completion}` leaves no room for a prompt in `sequence_len: {length}`; raise "
            "`sequence_len`, which covers both"
        )
    return int(length - completion)

"""The Axolotl plugin: makes `type: in2` resolve, checks the whole file before anything is loaded.

The file is checked in `register`, which Axolotl calls first, with the file as it was read, in every process that it
starts; datasets and trainer come later, with what Axolotl made of it. Invariant: `register` may run any number of
times in one process. Cost: reads one manifest a dataset.
"""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from axolotl.integrations.base import BasePlugin
from axolotl.utils.logging import get_logger

from in2_plugin.dataset.reader import read_manifest
from in2_plugin.errors import ConfigError, In2Error
from in2_plugin.training.axolotl import format as axolotl_format
from in2_plugin.training.axolotl.args import in2_entries, options_of
from in2_plugin.training.axolotl.keys import refuse_missing_plugins, refuse_unknown_keys

LOG = get_logger(f"axolotl.{__name__}")


class IN2Plugin(BasePlugin):
    """`plugins: [in2_plugin.axolotl.IN2Plugin]`"""

    def get_input_args(self) -> str:
        """Where Axolotl finds the schema of the keys under `in2:`."""
        return "in2_plugin.training.axolotl.args.IN2Args"

    def register(self, cfg: Any) -> None:
        """Check the file, and make the dataset format known. Ends the program with one sentence if it cannot."""
        sys.modules["axolotl.prompt_strategies.in2"] = axolotl_format
        try:
            refuse_missing_plugins(cfg.get("plugins") or [])
            _check_keys(cfg)
            for dataset in in2_entries(cfg):
                _check_dataset(dataset, cfg.get("sequence_len"))
        except In2Error as error:
            axolotl_format.refuse(error)
        if cfg.get("seed") is None:
            LOG.warning(
                "`seed:` is not set, so the order of examples differs from run to run; set for example seed: 42"
            )

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> Any:
        """Lazy datasets, or None to have Axolotl prepare them. Ends the program with one sentence if it cannot."""
        from in2_plugin.training.axolotl.data import load_lazily
        from in2_plugin.training.axolotl.trainer import refuse_impossible

        try:
            refuse_impossible(options_of(cfg), cfg)
            if options_of(cfg).preflight:
                _preflight(cfg)
            return load_lazily(cfg, options_of(cfg), preprocess=preprocess)
        except In2Error as error:
            axolotl_format.refuse(error)

    def pre_lora_load(self, cfg: Any, model: Any) -> None:
        """Seed the first weights of an adapter, which Axolotl 0.19 draws without `seed:`."""
        from transformers import set_seed

        if cfg.get("adapter") and cfg.get("seed") is not None:
            set_seed(cfg.seed)

    def get_trainer_cls(self, cfg: Any) -> Any:
        """Axolotl's trainer with ours behind it."""
        from in2_plugin.training.axolotl.trainer import trainer_class

        return trainer_class(cfg, options_of(cfg))

    def get_training_args(self, cfg: Any) -> dict[str, Any]:
        """Every answer token weighs the same on all ranks, where the trainer is ours."""
        from in2_plugin.training.axolotl.trainer import divides_over_ranks

        return {"average_tokens_across_devices": True} if divides_over_ranks(cfg) else {}


def _preflight(cfg: Any) -> None:
    """Say what the run will cost, and refuse one that would not teach what its data does."""
    from axolotl.loaders import load_tokenizer

    from in2_plugin.preflight.run import preflight_config

    try:
        report = preflight_config(cfg, load_tokenizer(cfg))
    except In2Error as error:
        LOG.warning(f"in2: preflight is left out: {error}")
        return
    for line in report.lines():
        LOG.info(f"in2: {line}")
    for finding in report.findings:
        say = LOG.info if finding.level == "note" else LOG.warning
        say(f"in2: {finding.level}: {finding.where}: {finding.what}; {finding.remedy}")
    for finding in report.errors:
        if finding.where == "memory":  # an estimate is no reason to stop
            continue
        raise ConfigError(
            f"{finding.where}: {finding.what}; {finding.remedy} (or `in2: {{preflight: false}}`, to go on all the same)"
        )


def _check_keys(cfg: Mapping[str, Any]) -> None:
    from axolotl.integrations.config import merge_input_args

    # the file and not `cfg`, to which Axolotl has added the options of its command line
    written = yaml.safe_load(Path(cfg["axolotl_config_path"]).read_text(encoding="utf-8"))
    section = written.get("in2")
    accepted = section.get("accept_keys") if isinstance(section, Mapping) else None
    refuse_unknown_keys(written, merge_input_args()[1], tuple(accepted or ()))


def _check_dataset(dataset: Any, sequence_len: int | None) -> None:
    path = dataset.get("path")
    if not path:
        raise ConfigError("a dataset of `type: in2` has no `path:`; give the folder that `in2 build` made")
    axolotl_format.require_room(path, read_manifest(Path(path)), sequence_len)
    # Axolotl's prepared dataset is cached under a hash of such fields and not of files; `revision` has no other
    # meaning for a local folder, and with it a dataset that was built again is prepared again
    manifest = (Path(path) / "manifest.json").read_bytes()
    dataset["revision"] = hashlib.sha256(manifest).hexdigest()[:16]

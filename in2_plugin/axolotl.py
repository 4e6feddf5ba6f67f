"""The Axolotl plugin and the dataset format `type: in2`, under the names that an Axolotl config uses.

plugins: [in2_plugin.axolotl.IN2Plugin]
datasets:
  - path: data/my-in2
    type: in2                  # without the plugin: type: in2_plugin.axolotl

Axolotl calls `register` first, in every process, with the config as read from the file; the datasets and the trainer
come later, with the validated config. Invariant: `register` may run any number of times in one process. Cost: reads one
manifest per dataset.
"""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from axolotl.integrations.base import BasePlugin
from axolotl.utils.logging import get_logger

from in2_plugin import layout
from in2_plugin.dataset.reader import read_manifest
from in2_plugin.errors import ConfigError, In2Error
from in2_plugin.preflight.findings import ConfigFinding
from in2_plugin.training.axolotl.args import in2_entries, options_of
from in2_plugin.training.axolotl.format import exit_with, load, require_room
from in2_plugin.training.axolotl.keys import refuse_missing_plugins, refuse_unknown_keys

__all__ = ["IN2Plugin", "load"]

LOG = get_logger(f"axolotl.{__name__}")


class IN2Plugin(BasePlugin):
    """`plugins: [in2_plugin.axolotl.IN2Plugin]`"""

    def get_input_args(self) -> str:
        """Return the import path of the schema for the keys under `in2:`."""
        return "in2_plugin.training.axolotl.args.IN2Args"

    def register(self, cfg: Any) -> None:
        """Check the config and register the dataset format; exit with one sentence if a check fails."""
        sys.modules["axolotl.prompt_strategies.in2"] = sys.modules[__name__]
        try:
            refuse_missing_plugins(cfg.get("plugins") or [])
            _check_keys(cfg)
            for dataset in in2_entries(cfg):
                _check_dataset(dataset, cfg.get("sequence_len"))
        except In2Error as error:
            exit_with(error)
        if cfg.get("seed") is None:
            LOG.warning("`seed:` is not set, so the order of examples differs from run to run; set e.g. `seed: 42`")

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> Any:
        """Return lazy datasets, or None to let Axolotl prepare them; exit with one sentence if neither is possible."""
        from in2_plugin.training.axolotl.data import load_lazy_datasets
        from in2_plugin.training.axolotl.trainer import refuse_conflicts

        try:
            refuse_conflicts(options_of(cfg), cfg)
            if options_of(cfg).preflight:
                _run_preflight(cfg)
            return load_lazy_datasets(cfg, options_of(cfg), preprocess=preprocess)
        except In2Error as error:
            exit_with(error)

    def pre_lora_load(self, cfg: Any, model: Any) -> None:
        """Seed the initial adapter weights, which Axolotl 0.19 draws without `seed:`."""
        from transformers import set_seed

        if cfg.get("adapter") and cfg.get("seed") is not None:
            set_seed(cfg.seed)

    def get_trainer_cls(self, cfg: Any) -> Any:
        """Return Axolotl's trainer combined with ours."""
        from in2_plugin.training.axolotl.trainer import trainer_class

        return trainer_class(cfg, options_of(cfg))

    def get_training_args(self, cfg: Any) -> dict[str, Any]:
        """Average over the answer tokens of all ranks where the trainer is ours."""
        from in2_plugin.training.axolotl.trainer import normalizes_across_ranks

        return {"average_tokens_across_devices": True} if normalizes_across_ranks(cfg) else {}


def _run_preflight(cfg: Any) -> None:
    """Log the estimated cost of the run and refuse a run with errors."""
    from axolotl.loaders import load_tokenizer

    from in2_plugin.preflight.run import preflight_config

    try:
        report = preflight_config(cfg, load_tokenizer(cfg))
    except In2Error as error:
        LOG.warning(f"in2: preflight is skipped: {error}")
        return
    for line in report.lines():
        LOG.info(f"in2: {line}")
    for finding in report.findings:
        _log_finding(finding)
    for finding in report.errors:
        if finding.where != "memory":  # an estimate alone must not stop a run
            raise ConfigError(
                f"{finding.where}: {finding.what}; {finding.remedy} (to train anyway, set `in2: {{preflight: false}}`)"
            )


def _log_finding(finding: ConfigFinding) -> None:
    log = LOG.info if finding.level == "note" else LOG.warning
    log(f"in2: {finding.level}: {finding.where}: {finding.what}; {finding.remedy}")


def _check_keys(cfg: Mapping[str, Any]) -> None:
    from axolotl.integrations.config import merge_input_args

    # read the file again: Axolotl has added its command-line options to `cfg`
    written = yaml.safe_load(Path(cfg["axolotl_config_path"]).read_text(encoding="utf-8"))
    section = written.get("in2")
    accepted = section.get("accept_keys") if isinstance(section, Mapping) else None
    refuse_unknown_keys(written, merge_input_args()[1], tuple(accepted or ()))


def _check_dataset(dataset: Any, sequence_len: int | None) -> None:
    path = dataset.get("path")
    if not path:
        raise ConfigError("a dataset of `type: in2` has no `path:`; set it to the folder that `in2 build` wrote")
    require_room(path, read_manifest(Path(path)), sequence_len)
    # Axolotl caches its prepared dataset under a hash of fields such as `revision`, not of files. `revision` is
    # otherwise unused for a local folder; with it, a rebuilt dataset is prepared again.
    manifest = (Path(path) / layout.MANIFEST).read_bytes()
    dataset["revision"] = hashlib.sha256(manifest).hexdigest()[:16]

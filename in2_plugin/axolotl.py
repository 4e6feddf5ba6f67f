"""The Axolotl plugin and the dataset format `type: in2`, under the names that an Axolotl config uses.

plugins: [in2_plugin.axolotl.IN2Plugin]     # not needed with Axolotl 0.21, which finds it by its entry point
datasets:
  - path: data/my-in2
    type: in2                  # without the plugin: type: in2_plugin.axolotl

Axolotl calls `register` first, in every process, with the config as read from the file; the datasets and the trainer
come later, with the validated config. Invariants: `register` may run any number of times in one process, and a run that
does not use IN2 is the same with and without the plugin. Cost: this module imports the standard library alone, because
Axolotl 0.21 imports it in every run; `register` reads one manifest per dataset.
"""

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axolotl.integrations.base import BasePlugin
from axolotl.utils.logging import get_logger

from in2_plugin.errors import ConfigError, In2Error
from in2_plugin.training.axolotl.context_parallel import refuse_missing_package
from in2_plugin.training.axolotl.plugins import (
    PROMPTED,
    config_in_preparation,
    in2_entries,
    is_active,
    refuse_missing_plugins,
    rl_of,
    trains_on_prompts,
)

if TYPE_CHECKING:
    from in2_plugin.preflight.findings import ConfigFinding
    from in2_plugin.preflight.prompts.report import PromptReport
    from in2_plugin.preflight.report import PreflightReport
    from in2_plugin.training.axolotl.format import IN2Strategy

__all__ = ["IN2Plugin", "load"]

LOG = get_logger(f"axolotl.{__name__}")


def load(tokenizer: Any, cfg: Mapping[str, Any], ds_cfg: Mapping[str, Any]) -> "IN2Strategy":
    """Return the strategy that Axolotl requests for an entry; exit with one sentence if the entry is invalid."""
    from in2_plugin.training.axolotl.format import load as load_strategy

    return load_strategy(tokenizer, cfg, ds_cfg)


def _for_in2(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Let a hook act only on configs that use IN2, and exit with one sentence if it refuses one."""

    @wraps(hook)
    def run(self: "IN2Plugin", cfg: Any, *rest: Any, **named: Any) -> Any:
        if not is_active(cfg):
            return None
        try:
            return hook(self, cfg, *rest, **named)
        except In2Error as error:
            from in2_plugin.training.axolotl.format import exit_with

            exit_with(error)

    return run


class IN2Plugin(BasePlugin):
    """`plugins: [in2_plugin.axolotl.IN2Plugin]`"""

    def __init__(self) -> None:
        """Check the other listed plugins, if Axolotl is loading those of a config."""
        super().__init__()
        self._is_active = True
        self._check_plugins(config_in_preparation())

    @_for_in2
    def _check_plugins(self, cfg: Any) -> None:
        refuse_missing_plugins(cfg)

    def get_input_args(self) -> str | None:
        """Return the import path of the schema for the keys under `in2:`, or None in a run without them."""
        return "in2_plugin.training.axolotl.args.IN2Args" if self._is_active else None

    def register(self, cfg: Any) -> None:
        """Check the config and register the dataset format; exit with one sentence if a check fails."""
        self._is_active = is_active(cfg)
        self._register(cfg)

    @_for_in2
    def _register(self, cfg: Any) -> None:
        sys.modules["axolotl.prompt_strategies.in2"] = sys.modules[__name__]
        _check_keys(cfg)
        refuse_missing_package(cfg)
        for dataset in in2_entries(cfg):
            _check_dataset(dataset, cfg)
        if cfg.get("seed") is None:
            LOG.warning("`seed:` is not set, so the order of examples differs from run to run; set e.g. `seed: 42`")

    @_for_in2
    def load_datasets(self, cfg: Any, preprocess: bool = False) -> Any:
        """Return lazy datasets, or None to let Axolotl prepare them; exit with one sentence if neither is possible."""
        from in2_plugin.training.axolotl.args import options_of
        from in2_plugin.training.axolotl.data import load_lazy_datasets
        from in2_plugin.training.axolotl.trainer import refuse_conflicts

        if any(in2_entries(cfg)) and trains_on_prompts(cfg):
            return _load_prompts(cfg, with_preflight=options_of(cfg).preflight)
        refuse_conflicts(options_of(cfg), cfg)
        if options_of(cfg).preflight:
            _run_preflight(cfg)
        return load_lazy_datasets(cfg, options_of(cfg), preprocess=preprocess)

    @_for_in2
    def pre_lora_load(self, cfg: Any, model: Any) -> None:
        """Seed the initial adapter weights, which Axolotl 0.19 draws without `seed:`."""
        from transformers import set_seed

        if cfg.get("adapter") and cfg.get("seed") is not None:
            set_seed(cfg.seed)

    @_for_in2
    def _callbacks(self, cfg: Any) -> list[Any]:
        from in2_plugin.training.documents import TrainingDocuments

        folders = [Path(entry["path"]) for entry in in2_entries(cfg, ("datasets",))]
        return [TrainingDocuments(folders, lambda line: LOG.info(f"in2: {line}"))] if folders else []

    def add_callbacks_pre_trainer(self, cfg: Any, model: Any) -> list[Any]:
        """Return the callback that records the documents of the training data beside the model."""
        return self._callbacks(cfg) or []

    @_for_in2
    def get_trainer_cls(self, cfg: Any) -> Any:
        """Return Axolotl's trainer combined with ours."""
        from in2_plugin.training.axolotl.args import options_of
        from in2_plugin.training.axolotl.trainer import trainer_class

        return trainer_class(cfg, options_of(cfg))

    @_for_in2
    def get_training_args(self, cfg: Any) -> dict[str, Any]:
        """Average over the answer tokens of all ranks where the trainer is ours, and allow bfloat16 on the CPU.

        Under `rl: grpo` and `rl: gdpo`, also return the settings of generation that Axolotl drops.
        """
        from in2_plugin.training.axolotl.prompts import generation_settings
        from in2_plugin.training.axolotl.trainer import normalizes_across_ranks, requires_use_cpu

        changes = {"average_tokens_across_devices": normalizes_across_ranks(cfg), "use_cpu": requires_use_cpu(cfg)}
        settings = generation_settings(cfg) if rl_of(cfg) in PROMPTED else {}
        return {**settings, **{name: True for name, needed in changes.items() if needed}}


def _load_prompts(cfg: Any, *, with_preflight: bool) -> Any:
    from in2_plugin.preflight.prompts.checks import report_prompts
    from in2_plugin.training.axolotl.prompts import choose_axolotl_prompts, load_prompt_datasets

    chosen = choose_axolotl_prompts(cfg)
    if with_preflight:
        _log_report(report_prompts(cfg, chosen))
    return load_prompt_datasets(cfg, chosen)


def _run_preflight(cfg: Any) -> None:
    """Log the estimated cost of the run and refuse a run with errors."""
    from axolotl.loaders import load_tokenizer

    from in2_plugin.preflight.run import preflight_config

    try:
        report = preflight_config(cfg, load_tokenizer(cfg))
    except In2Error as error:
        LOG.warning(f"in2: preflight is skipped: {error}")
        return
    _log_report(report)


def _log_report(report: "PreflightReport | PromptReport") -> None:
    for line in report.lines():
        LOG.info(f"in2: {line}")
    for finding in report.findings:
        _log_finding(finding)
    for finding in report.errors:
        if finding.where != "memory":  # an estimate alone must not stop a run
            raise ConfigError(
                f"{finding.where}: {finding.what}; {finding.remedy} (to train anyway, set `in2: {{preflight: false}}`)"
            )


def _log_finding(finding: "ConfigFinding") -> None:
    log = LOG.info if finding.level == "note" else LOG.warning
    log(f"in2: {finding.level}: {finding.where}: {finding.what}; {finding.remedy}")


def _check_keys(cfg: Mapping[str, Any]) -> None:
    import yaml
    from axolotl.integrations.config import merge_input_args

    from in2_plugin.training.axolotl.args import IN2Options
    from in2_plugin.training.axolotl.keys import refuse_unknown_keys

    # read the file again: Axolotl has added its command-line options to `cfg`
    written = yaml.safe_load(Path(cfg["axolotl_config_path"]).read_text(encoding="utf-8"))
    section = written.get("in2")
    accepted = section.get("accept_keys") if isinstance(section, Mapping) else None
    refuse_unknown_keys(written, merge_input_args()[1], tuple(accepted or ()))
    IN2Options.parse(section or {}, "section `in2`")


def _check_dataset(dataset: Any, cfg: Mapping[str, Any]) -> None:
    from in2_plugin.dataset.reader import read_manifest, revision_of
    from in2_plugin.training.axolotl.format import require_room

    path = dataset.get("path")
    if not path:
        raise ConfigError("a dataset of `type: in2` has no `path:`; set it to the folder that `in2 build` wrote")
    manifest = read_manifest(Path(path))
    if not trains_on_prompts(cfg):  # prompts that are too long are left out
        require_room(path, manifest, cfg.get("sequence_len"))
    dataset["revision"] = revision_of(Path(path))

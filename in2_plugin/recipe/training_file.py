"""Read a training file without the trainer, for planning, in a tenth of a second.

Describes Axolotl and TRL files in the same terms. Invariant: the setup of an Axolotl file is the one that preflight
derives from the file after Axolotl's validation (a test compares them for every recipe).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from in2_plugin.errors import ConfigError, one_line
from in2_plugin.preflight.costs import ModelShape, Setup
from in2_plugin.preflight.training_setup import setup_of
from in2_plugin.recipe.planning.published_models import LINEAR, adapter_weights
from in2_plugin.training.axolotl.args import options_of
from in2_plugin.training.axolotl.plugins import TYPES, has_plugin

LAUNCH = re.compile(r"(\d+) x (\d+) x (\d+) GPUs?(?: / (\d+) (?:per|a) row)? = (\d+)")
"""The comment that states the batch: `1 x 8 x 16 GPUs = 128` (micro-batch, accumulation, GPUs, examples), or
`1 x 16 x 8 GPUs / 2 per row = 64` if GPUs share a row."""
TRL_BATCH, TRL_OPTIMIZER = 8, "adamw_torch_fused"
"""Defaults of transformers' TrainingArguments, also TRL's."""


class AttributeDict(dict[str, Any]):
    """A file's keys as attributes; a missing key is None, as in Axolotl's own config object."""

    def __getattr__(self, name: str) -> Any:
        value = self.get(name)
        return AttributeDict(value) if type(value) is dict else value


@dataclass(frozen=True, slots=True)
class Launch:
    """The composition of an optimizer step, from a comment in the file."""

    micro_batch: int
    accumulation: int
    gpus: int
    per_row: int
    """GPUs that share a row: context times tensor parallelism."""
    batch: int
    """Examples per step."""

    def __str__(self) -> str:
        shared = f" / {self.per_row}" if self.per_row > 1 else ""
        return f"{self.micro_batch} x {self.accumulation} x {self.gpus}{shared} = {self.batch}"


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """One run, as an Axolotl or TRL file describes it."""

    path: Path
    trainer: str
    """`axolotl` or `trl`."""
    base_model: str
    datasets: tuple[str, ...]
    """Folders written by `in2 build`."""
    sequence_len: int | None
    epochs: float
    max_steps: int | None
    packed: bool
    balanced: bool
    save_limit: int | None
    save_steps: float | None
    gpu: str | None
    """The GPU that the file names."""
    launch: Launch | None
    cfg: AttributeDict
    """The file's keys, in Axolotl's terms."""

    def setup(self, gpus: int, shape: ModelShape) -> Setup:
        """Return the training setup on this number of GPUs, with the file's accumulation."""
        found = setup_of(self.cfg, gpus, self.adapter(shape))
        if self.trainer == "trl":
            # TRL's loss computes head and loss in chunks
            found = replace(found, logits="fused")
            if self.cfg.float_weights and not self.cfg.deepspeed and not found.trained:
                found = replace(found, weight_bytes=4, gradient_bytes=4, optimizer_bytes=8)
        return found

    def adapter(self, shape: ModelShape) -> int:
        """Return the number of LoRA weights; 0 for full training."""
        if self.cfg.adapter not in ("lora", "qlora"):
            return 0
        targets = self.cfg.lora_target_modules or []
        named = LINEAR if self.cfg.lora_target_linear or targets == "all-linear" else frozenset(targets)
        return adapter_weights(shape, int(self.cfg.lora_r or 0), named)


def read_training_file(path: Path) -> TrainingFile:
    """Read `axolotl*.yml` or `sft*.yml`.

    Raises:
        ConfigError: the file cannot be read, is not a mapping, or names no model.
    """
    text, data = _read(path)
    trainer = "trl" if "model_name_or_path" in data else "axolotl"
    cfg = _from_trl(data, path.parent) if trainer == "trl" else AttributeDict(data)
    if not cfg.base_model:
        raise ConfigError(f"{path}: names no model; set `base_model` (Axolotl) or `model_name_or_path` (TRL)")
    cfg["deepspeed"] = _deepspeed(cfg.deepspeed, path)
    options = options_of(cfg)
    packed = bool(cfg.sample_packing)
    return TrainingFile(
        path=path,
        trainer=trainer,
        base_model=str(cfg.base_model),
        datasets=tuple(entry["path"] for entry in data.get("datasets") or [] if entry.get("type") in TYPES)
        if trainer == "axolotl"
        else cfg.folders,
        sequence_len=cfg.sequence_len,
        epochs=float(cfg.num_epochs or 1),
        max_steps=cfg.max_steps,
        packed=packed,
        balanced=options.length_balanced and not packed and (trainer == "trl" or has_plugin(cfg)),
        save_limit=cfg.save_total_limit,
        save_steps=cfg.save_steps,
        gpu=options.gpu,
        launch=_launch(text),
        cfg=cfg,
    )


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); give a complete recipe folder") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {one_line(error)}; fix it") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values")
    return text, data


def _deepspeed(value: Any, path: Path) -> Any:
    """Return DeepSpeed's config: from the named file, or the inline mapping."""
    if not isinstance(value, str):
        return value
    file = path.parent / value
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"{path}: `deepspeed: {value}` is not a file in this folder; correct the name") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{file}: is not JSON ({error}); correct it") from None


def _launch(text: str) -> Launch | None:
    found = LAUNCH.search(text)
    return Launch(*(int(number or 1) for number in found.groups())) if found else None


def _from_trl(data: Mapping[str, Any], folder: Path) -> AttributeDict:
    """Return a TRL file in Axolotl's terms."""
    entries = [entry for entry in data.get("datasets") or [] if entry.get("split", "train") == "train"]
    quantised = {name: data.get(name) for name in ("load_in_4bit", "load_in_8bit")}
    return AttributeDict(
        base_model=data["model_name_or_path"],
        folders=tuple(entry.get("data_dir") for entry in entries),
        micro_batch_size=data.get("per_device_train_batch_size", TRL_BATCH),
        gradient_accumulation_steps=data.get("gradient_accumulation_steps", 1),
        num_epochs=data.get("num_train_epochs", 3),
        max_steps=data["max_steps"] if data.get("max_steps", -1) > 0 else None,
        optimizer=data.get("optim", TRL_OPTIMIZER),
        bf16=data.get("bf16", True),
        float_weights=data.get("dtype", "float32") == "float32",
        # the first name is that of transformers 5.24
        gradient_checkpointing=data.get("activation_checkpointing", data.get("gradient_checkpointing", True)),
        activation_offloading=data.get("activation_offloading"),
        attn_implementation=data.get("attn_implementation"),
        adapter="lora" if data.get("use_peft") else None,
        lora_r=data.get("lora_r", 16),
        lora_target_modules=data.get("lora_target_modules"),
        save_total_limit=data.get("save_total_limit"),
        save_steps=data.get("save_steps", 500),
        deepspeed=data.get("deepspeed") or _accelerate(data, folder),
        in2={"length_balanced": data.get("length_balanced", True)},
        **quantised,
    )


def _accelerate(data: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    """Return DeepSpeed's config from an accelerate.yml in the same folder, if there is one."""
    file = folder / "accelerate.yml"
    settings = (_read(file)[1] if file.is_file() else {}).get("deepspeed_config") or {}
    if named := settings.get("deepspeed_config_file"):
        found = _deepspeed(named, file)
        return dict(found)
    if not settings.get("zero_stage"):
        return None
    parts = {"offload_optimizer": "offload_optimizer_device", "offload_param": "offload_param_device"}
    offload = {part: {"device": settings.get(key, "none")} for part, key in parts.items()}
    return {"zero_optimization": {"stage": settings["zero_stage"], **offload}}

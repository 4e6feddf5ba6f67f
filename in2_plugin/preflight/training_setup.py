"""Translate an Axolotl config into a `Setup`: sharding, offload, optimizer, checkpointing, logits.

Pure. Invariant: an ambiguous setting is read as the more expensive one.
"""

from collections.abc import Mapping
from typing import Any

from in2_plugin.preflight.costs import Logits, Setup
from in2_plugin.training.axolotl.args import FUSED, config_full_logits_reason, fused_loss, options_of
from in2_plugin.training.axolotl.context_parallel import needs_newer_axolotl, ranks_per_row
from in2_plugin.training.axolotl.plugins import has_plugin

FLASH = ("flash_attention", "flex_attention", "sdpa", "xformers", "sage", "fp8", "s2")
"""Name prefixes of attention implementations that do not store a score for each pair of tokens."""
ONE_STATE = ("lion", "muon", "sgd", "adafactor")
"""Substrings of optimizer names that store at most one number per weight; other optimizers store two."""


def setup_of(cfg: Any, gpus: int, adapter: int = 0) -> Setup:
    """Return the setup that a validated config describes.

    Args:
        gpus: number of GPUs.
        adapter: weights of the adapters; 0 for full training.
    """
    stage, offload_optimizer, offload_weights = _sharding(cfg)
    half = bool(cfg.bf16 or cfg.bfloat16 or cfg.fp16 or cfg.float16)
    weight, gradient, optimizer = _trained_bytes(cfg, half, adapter)
    return Setup(
        gpus=gpus,
        micro_batch=cfg.micro_batch_size or 1,
        accumulation=cfg.gradient_accumulation_steps or 1,
        shard_weights=stage >= 3,
        shard_gradients=stage >= 2,
        shard_optimizer=stage >= 1,
        offload_optimizer=offload_optimizer,
        offload_weights=offload_weights,
        checkpointing=bool(cfg.gradient_checkpointing),
        offload_activations=bool(cfg.activation_offloading),
        context_parallel=ranks_per_row(cfg),
        tensor_parallel=cfg.tensor_parallel_size or 1,
        weight_bytes=weight,
        gradient_bytes=gradient,
        optimizer_bytes=optimizer,
        frozen_bytes=_frozen_bytes(cfg, half),
        compute_bytes=2 if half else 4,
        trained=adapter or None,
        logits=logits_of(cfg),
        flash=(cfg.attn_implementation or "sdpa").startswith(FLASH),
    )


def logits_of(cfg: Any) -> Logits:
    """Return which logits are in memory at a time, with the Axolotl that the config needs."""
    options = options_of(cfg)
    ours = has_plugin(cfg) and options.answer_logits_only is not False
    at_answers = needs_newer_axolotl(cfg) or not config_full_logits_reason(cfg)
    if ours and not fused_loss(options, cfg) and at_answers:
        return "answers"
    return "fused" if any(cfg.get(name) for name in FUSED) else "all"


def _sharding(cfg: Any) -> tuple[int, bool, bool]:
    """Return (ZeRO stage, optimizer offloaded, weights offloaded)."""
    if isinstance(cfg.deepspeed, Mapping):
        zero = cfg.deepspeed.get("zero_optimization") or {}
        return int(zero.get("stage") or 0), _offloaded(zero, "offload_optimizer"), _offloaded(zero, "offload_param")
    if cfg.fsdp_config or cfg.fsdp:
        settings = cfg.fsdp_config or {}
        offload = _either(settings, "offload_params") is True
        stays = _either(settings, "reshard_after_forward") is False
        return 2 if stays else 3, offload, offload
    return 0, False, False


def _offloaded(zero: Mapping[str, Any], part: str) -> bool:
    return (zero.get(part) or {}).get("device") in ("cpu", "nvme")


def _either(settings: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key of `fsdp_config`, with or without the prefix `fsdp_`."""
    return settings[key] if key in settings else settings.get(f"fsdp_{key}")


def keeps_master(cfg: Any) -> bool:
    """Return True if a float32 copy of the trained weights exists under mixed precision."""
    return bool(cfg.deepspeed or cfg.fsdp_config or cfg.fsdp or cfg.adapter)


def _trained_bytes(cfg: Any, half: bool, adapter: int) -> tuple[float, float, float]:
    """Return (weight, gradient, optimizer) bytes per trained weight."""
    name = str(cfg.optimizer or "adamw_torch_fused").lower()
    states = 1 if any(part in name for part in ONE_STATE) else 2
    number: float = 0.5 if "4bit" in name else 1 if "8bit" in name else 4
    if not half or adapter:
        return 4, 4, states * number
    if cfg.deepspeed:
        return 2, 2, 4 + states * number
    if cfg.fsdp_config or cfg.fsdp:
        return 4, 4, states * number
    return 2, 2, states * min(number, 2)


def _frozen_bytes(cfg: Any, half: bool) -> float:
    """Return the bytes per frozen weight; the scales of 4-bit weights add about an eighth of a bit."""
    if cfg.load_in_4bit:
        return 0.52
    if cfg.load_in_8bit:
        return 1
    return 2 if half else 4

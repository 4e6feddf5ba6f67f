"""The keys under `in2:` in an Axolotl file, and which of its datasets are ours."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel

from in2_plugin.config.base import Config

TYPES = ("in2", "in2_plugin.axolotl")
"""What a dataset's `type:` may be to be ours."""
FUSED = {"cut_cross_entropy": "Cut Cross Entropy", "liger_fused_linear_cross_entropy": "Liger"}
"""Settings of Axolotl with which a kernel computes head and loss together, and whose it is."""


class IN2Options(Config):
    """What can be said under `in2:`; an unknown key is an error. Nothing has to be said."""

    lazy: Literal["auto"] | bool = "auto"
    """Put examples together when the trainer asks for them, and write no prepared dataset. `auto`: wherever the file
    allows it, and says why where it does not (another dataset beside ours, streaming, ...)."""
    answer_logits_only: Literal["auto"] | bool = "auto"
    """Compute logits at answer tokens alone. `auto`: the best way that there is for the model and the other settings;
    the log says which."""
    loss_normalization: Literal["token", "example"] = "token"
    """What weighs the same over a whole optimizer step, all micro-batches and ranks: every answer `token`, or every
    `example`. Axolotl alone averages each micro-batch by itself."""
    length_balanced: bool = True
    """Order examples so that the ranks of a step get like lengths; random between steps."""
    preflight: bool = True
    """Check data, model and settings before the model is loaded, and print what the run will cost."""
    gpu: str | None = None
    """Which GPU the estimates are for, as in `in2 preflight --gpu`."""
    accept_keys: tuple[str, ...] = ()
    """Keys of the file, in dotted form, to let pass although Axolotl's schema does not list them."""


class IN2Args(BaseModel):
    """Merged by Axolotl into its own schema."""

    in2: IN2Options | None = None


def options_of(cfg: object) -> IN2Options:
    """What a configuration says under `in2:`, validated by Axolotl or not."""
    said = getattr(cfg, "in2", None)
    return said if isinstance(said, IN2Options) else IN2Options.model_validate(dict(said or {}))


def in2_entries(cfg: Mapping[str, Any]) -> Iterator[Any]:
    """Every dataset of `type: in2` in a file."""
    for section in ("datasets", "test_datasets"):
        for dataset in cfg.get(section) or []:
            if dataset.get("type") in TYPES:
                yield dataset


def splits_rows(cfg: Mapping[str, Any]) -> bool:
    """Whether a row is split over ranks."""
    return int(cfg.get("context_parallel_size") or 1) > 1


def why_all_logits_under(cfg: Mapping[str, Any]) -> str | None:
    """Why a configuration needs logits for every token; None when it does not."""
    if splits_rows(cfg):
        return "under context parallelism a rank knows only its part of the positions"
    if cfg.get("label_smoothing_factor"):
        return "label smoothing takes logits and labels of the whole row"
    return None


def fused_loss(options: IN2Options, cfg: Mapping[str, Any]) -> str | None:
    """The setting of FUSED that head and loss are left to; None when they are not."""
    if options.answer_logits_only is True or options.loss_normalization == "example":  # a kernel knows no examples
        return None
    return next((name for name in FUSED if cfg.get(name)), None)

"""Axolotl's trainer with ours behind it, and the choice of how logits are computed.

Invariant: what was chosen, and why, is said in the log once.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from axolotl.core.trainers.base import AxolotlTrainer
from axolotl.utils.logging import get_logger
from transformers import Trainer

from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.args import FUSED, IN2Options, fused_loss, splits_rows, why_all_logits_under
from in2_plugin.training.axolotl.format import refuse
from in2_plugin.training.trainer import IN2Trainer, TrainingOptions, why_all_logits

LOG = get_logger(f"axolotl.{__name__}")
OWN_TRAINERS = ("rl", "reward_model", "process_reward_model", "trainer_cls")
"""Settings with which Axolotl takes another trainer."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether logits are computed at answers alone by us, and the sentence that says so."""

    at_answers: bool
    sentence: str


def choose_logits(options: IN2Options, cfg: Mapping[str, Any], model: Any) -> Choice:
    """The way to compute logits for a model under a configuration.

    Raises:
        ConfigError: `answer_logits_only: true` cannot be had.
    """
    asked = options.answer_logits_only
    refuse_impossible(options, cfg, model)
    if asked is False:
        return Choice(False, "logits are computed for every token, as `answer_logits_only: false` asks")
    if reason := why_all_logits_under(cfg) or why_all_logits(model):
        return Choice(False, f"logits are computed for every token: {reason}")
    if name := fused_loss(options, cfg):
        return Choice(False, f"logits are left to {FUSED[name]} (`{name}: true`), which never holds all of them")
    return Choice(True, "logits are computed at answer tokens alone (`logits_to_keep`)")


def refuse_impossible(options: IN2Options, cfg: Mapping[str, Any], model: Any | None = None) -> None:
    """Refuse what `in2:` asks for and cannot have, before or after the model is loaded.

    Raises:
        ConfigError: says what stands in the way.
    """
    under = why_all_logits_under(cfg)
    if options.loss_normalization == "example" and under:
        raise ConfigError(f"`loss_normalization: example` cannot be had: {under}; set it to `token`")
    reason = under or (why_all_logits(model) if model is not None else None)
    if options.answer_logits_only is True and reason:
        raise ConfigError(f"`answer_logits_only: true` cannot be had: {reason}; set it to `auto` or `false`")


def divides_over_ranks(cfg: Mapping[str, Any]) -> bool:
    """Whether the loss is to be divided by what all ranks count: the trainer is ours, and rows are whole."""
    return not splits_rows(cfg) and not any(cfg.get(name) for name in OWN_TRAINERS)


def trainer_class(cfg: Any, options: IN2Options) -> type[Trainer] | None:
    """The trainer for a configuration; None where Axolotl has to take another one."""
    for name in OWN_TRAINERS:
        if cfg.get(name):
            LOG.warning(f"in2: `{name}:` brings a trainer of its own, so `in2:` has no say in loss, logits and order")
            return None

    class AxolotlIN2Trainer(AxolotlTrainer, IN2Trainer):
        """Axolotl's methods, then ours, then those of transformers."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            try:
                choice = choose_logits(options, cfg, self.model)
            except ConfigError as error:
                refuse(error)
            self.in2_say(choice.sentence)
            self.in2_options = TrainingOptions(
                logits_at_answers=choice.at_answers,
                loss_normalization=options.loss_normalization,
                length_balanced=options.length_balanced and not cfg.get("curriculum_sampling"),
            )
            if splits_rows(cfg):
                self.in2_options = replace(self.in2_options, shift_labels=True)
                self.in2_say("under context parallelism each rank averages its own answer tokens, as in stock Axolotl")
            elif options.loss_normalization == "example" or _divides_by_items(self.model):
                # Axolotl takes every model for one that cannot divide by the items of a whole step
                self.model_accepts_loss_kwargs = True
            else:
                self.in2_say("this model averages each micro-batch by itself: its forward takes no further arguments")

        def _set_signature_columns_if_needed(self) -> None:
            if not self._signature_columns:  # Axolotl's takes a column away each time
                super()._set_signature_columns_if_needed()

        def in2_say(self, sentence: str) -> None:
            LOG.info(f"in2: {sentence}")

    return AxolotlIN2Trainer


def _divides_by_items(model: Any) -> bool:
    """Whether a model's loss can be divided by the items of a whole step, as transformers sees it."""
    base = model.get_base_model() if getattr(model, "peft_config", None) else model
    if hasattr(base, "accepts_loss_kwargs"):
        return bool(base.accepts_loss_kwargs)
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(base.forward).parameters.values())

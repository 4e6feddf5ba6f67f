"""Combine Axolotl's trainer with ours, and choose how logits are computed.

Invariant: the log states the choice and its reason once.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from axolotl.core.trainers.base import AxolotlTrainer
from axolotl.utils.logging import get_logger
from torch.utils.data import RandomSampler
from transformers import Trainer

from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.args import FUSED, IN2Options, config_full_logits_reason, fused_loss
from in2_plugin.training.axolotl.context_parallel import splits_rows, uses_ring_flash_attn, uses_ulysses
from in2_plugin.training.axolotl.data import not_lazy_reason
from in2_plugin.training.axolotl.format import exit_with
from in2_plugin.training.axolotl.packing import PackedRows, packing_order
from in2_plugin.training.axolotl.split_rows import SplitRowsLoss, summed_ranks
from in2_plugin.training.options import SPLIT_EXAMPLES, TrainingOptions, not_possible
from in2_plugin.training.trainer import IN2Trainer, model_full_logits_reason, model_weights_reason

LOG = get_logger(f"axolotl.{__name__}")
OWN_TRAINERS = ("rl", "reward_model", "process_reward_model", "trainer_cls")
"""Settings under which Axolotl uses another trainer."""


@dataclass(frozen=True, slots=True)
class LogitsChoice:
    """Whether we compute logits only at answers, with the sentence for the log."""

    at_answers: bool
    sentence: str


def choose_logits(options: IN2Options, cfg: Mapping[str, Any], model: Any) -> LogitsChoice:
    """Choose how to compute logits for a model under a config.

    Raises:
        ConfigError: `answer_logits_only: true` conflicts with the model or another setting.
    """
    asked = options.answer_logits_only
    refuse_conflicts(options, cfg, model)
    if asked is False:
        return LogitsChoice(False, "logits are computed for every token, as set by `answer_logits_only: false`")
    if reason := config_full_logits_reason(cfg) or model_full_logits_reason(model):
        return LogitsChoice(False, f"logits are computed for every token: {reason}")
    if name := fused_loss(options, cfg):
        return LogitsChoice(
            False, f"logits are computed by {FUSED[name]} (`{name}: true`), which never holds all of them"
        )
    return LogitsChoice(True, "logits are computed only at answer tokens (`logits_to_keep`)")


def refuse_conflicts(options: IN2Options, cfg: Mapping[str, Any], model: Any | None = None) -> None:
    """Refuse options under `in2:` that conflict with the config or, once it is loaded, with the model.

    Raises:
        ConfigError: names the conflict.
    """
    under = config_full_logits_reason(cfg)
    if own := options.own_loss:
        split = SPLIT_EXAMPLES if splits_rows(cfg) else None
        of_model = model_weights_reason(model) if model is not None else None
        if reason := split or under or _prepared_reason(options, cfg) or of_model:
            raise not_possible(own, reason)
    reason = under or (model_full_logits_reason(model) if model is not None else None)
    if options.answer_logits_only is True and reason:
        raise ConfigError(f"`answer_logits_only: true` is not possible: {reason}; set it to `auto` or `false`")


def _prepared_reason(options: IN2Options, cfg: Mapping[str, Any]) -> str | None:
    """Return why openings of answers or a teacher are needed and not known, or None."""
    needs = "what a teacher says about" if options.objective != "answer" else "the openings of"
    needed = options.objective != "answer" or options.answer_weighting == "opening"
    prepared = not_lazy_reason(options, cfg) if needed else None
    return f"{prepared}, and prepared examples do not carry {needs} their answers" if prepared else None


def normalizes_across_ranks(cfg: Mapping[str, Any]) -> bool:
    """Return True if the loss is divided by the count over all ranks: our trainer, but not with ring-flash-attn."""
    ring = splits_rows(cfg) and uses_ring_flash_attn()
    return not ring and not any(cfg.get(name) for name in OWN_TRAINERS)


def requires_use_cpu(cfg: Mapping[str, Any]) -> bool:
    """Return True for bfloat16 on a machine without an accelerator, which transformers accepts only with `use_cpu`."""
    return bool(cfg.get("bf16")) and not torch.accelerator.is_available()


def trainer_class(cfg: Any, options: IN2Options) -> type[Trainer] | None:
    """Return the trainer for a config, or None if Axolotl has to use another one."""
    for name in OWN_TRAINERS:
        if cfg.get(name):
            if options.objective != "answer":
                raise not_possible(f"objective: {options.objective}", f"`{name}:` selects another trainer")
            LOG.warning(f"in2: `{name}:` selects another trainer, so `in2:` does not control loss, logits and order")
            return None

    class AxolotlIN2Trainer(AxolotlTrainer, IN2Trainer, SplitRowsLoss):
        """Resolves methods in Axolotl's trainer first, then in ours, then in transformers'."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            try:
                choice = choose_logits(options, cfg, self.model)
            except ConfigError as error:
                exit_with(error)
            self.in2_log(choice.sentence)
            if not cfg.get("max_steps") and hasattr(self.train_dataset, "__len__"):
                # Axolotl's own count ends the last epoch early; transformers counts the steps of its loader
                self.args.max_steps = -1
            self.in2_options = TrainingOptions(
                logits_at_answers=choice.at_answers,
                loss_normalization=options.loss_normalization,
                answer_weighting=options.answer_weighting,
                objective=options.objective,
                distill=options.distillation,
                length_balanced=options.length_balanced and not cfg.get("curriculum_sampling"),
                shift_labels=splits_rows(cfg) and not uses_ulysses(cfg),
            )
            try:
                self._require_teacher()
            except ConfigError as error:
                exit_with(error)
            counts = self.in2_options.own_loss or _accepts_item_count(self.model)
            if counts and normalizes_across_ranks(cfg):
                # Axolotl assumes that no model can divide by the item count of the whole step
                self.model_accepts_loss_kwargs = True
                self.in2_summed_ranks = summed_ranks(self.accelerator)
            elif splits_rows(cfg):
                self.in2_log("under context parallelism each rank averages its own answer tokens, as in stock Axolotl")
            else:
                self.in2_log("this model averages within each micro-batch: its forward takes no keyword arguments")

        def _set_signature_columns_if_needed(self) -> None:
            if not self._signature_columns:  # Axolotl's method removes a column on every call
                super()._set_signature_columns_if_needed()

        def _create_multipack_sampler(self, base_sampler: Any, dataset: Any, **named: Any) -> Any:
            if not isinstance(base_sampler, RandomSampler) or getattr(self.args, "balance_labels", False):
                return super()._create_multipack_sampler(base_sampler, dataset, **named)
            order = packing_order(len(dataset), self._in2_seed)
            packed = super()._create_multipack_sampler(order, dataset, **named)
            self._in2_sampler = PackedRows(packed, self._in2_seed)
            return self._in2_sampler

        def _deepspeed_sequence_parallel_group(self) -> Any:
            # Axolotl's loss for split rows averages over each row
            return super()._deepspeed_sequence_parallel_group() if self.in2_summed_ranks is None else None

        def in2_log(self, sentence: str) -> None:
            LOG.info(f"in2: {sentence}")

    return AxolotlIN2Trainer


def _accepts_item_count(model: Any) -> bool:
    """Return True if the model can divide its loss by the item count of the step, judged as transformers does."""
    base = model.get_base_model() if getattr(model, "peft_config", None) else model
    if hasattr(base, "accepts_loss_kwargs"):
        return bool(base.accepts_loss_kwargs)
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(base.forward).parameters.values())

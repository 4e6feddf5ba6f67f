"""A transformers Trainer for IN2 examples, to be combined with Axolotl's and TRL's trainers.

It adds length-balanced order, logits only at answers, equal weight for every answer token (or other weights), a teacher
that reads the gold alone, and the loss by depth and part in the log. Invariant: the loss is the mean that
`loss_normalization` and `answer_weighting` name over a whole optimizer step, whatever the micro-batch, the accumulation
and the number of ranks.
"""

import inspect
from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback

from in2_plugin.dataset.plans import REBUILD_PLANS
from in2_plugin.errors import ConfigError
from in2_plugin.examples.opening import ASSUMED
from in2_plugin.training.answer_logits import keep_supervised, targets_of, token_losses, with_shift_labels
from in2_plugin.training.answer_weights import loss_weights
from in2_plugin.training.collator import AnswerCollator, gathered
from in2_plugin.training.dataset import ANSWERS, EXAMPLE, TEACHER, LazyExamples
from in2_plugin.training.distillation.batch import GOLD, SCORES
from in2_plugin.training.distillation.divergence import AnswerTokenLoss, LikeliestTokens, answer_token_loss
from in2_plugin.training.distillation.step import require_initial, require_known_tokens, teacher_of
from in2_plugin.training.length_balance import BalancedSampler, Work, efficiency
from in2_plugin.training.loss_by_depth import AnswerStatistics, is_opening
from in2_plugin.training.options import TrainingOptions

Inputs = dict[str, Any]
WEIGHTS = "in2_weights"
"""Key of a batch: (n_supervised,) the weights of its answer tokens, from the count of the step to its loss."""
TOLERANCE = 1e-3
"""Largest relative difference between a model's own loss and the cross-entropy of its answer tokens."""
ROUTER_LOSS = "the model adds the router loss of its experts"
PROMPT_IN_CACHE = ("PREFIX_TUNING", "CARTRIDGE")
"""Adapters of PEFT whose learnt prompt is in the key-value cache, and not among the tokens."""


class IN2Trainer(Trainer):
    """Mixin between a derived trainer and Trainer.

    `class Trainer2(SFTTrainer, IN2Trainer)` resolves methods in SFTTrainer first, then here, then in Trainer.
    """

    in2_options = TrainingOptions()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.in2_options.own_loss:
            self.model_accepts_loss_kwargs = True  # we divide by the weights of the whole step, whatever the model can
        self._in2_tallies = {True: AnswerStatistics(), False: AnswerStatistics()}
        self._in2_divergences = {True: AnswerStatistics(), False: AnswerStatistics()}
        self._in2_logged, self._in2_checked = 0, False
        self._in2_no_figures: str | None = "prepared examples do not carry the depth of their answers"
        self._in2_sampler: _EpochSampler | None = None
        self.add_callback(_ResumeCallback(self))

    def in2_log(self, sentence: str) -> None:
        """Print a sentence once for all ranks."""
        self.accelerator.print(f"in2: {sentence}")

    # data

    def get_train_dataloader(self) -> Any:
        """Return Trainer's loader, whose batches have the codes of their answer tokens."""
        self._carry_codes(self.train_dataset)
        examples = self.in2_examples(self.train_dataset)
        for folder in examples.without_openings if examples else ():
            self.in2_log(
                f"{folder}: was built by a version that does not record openings, so that of an answer is assumed to "
                f"be its first {ASSUMED} tokens; to record them, {REBUILD_PLANS}"
            )
        return super().get_train_dataloader()

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Return Trainer's loader, whose batches have the codes of their answer tokens."""
        held_out: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        self._carry_codes(self.eval_dataset[held_out] if isinstance(held_out, str) else held_out)
        return super().get_eval_dataloader(eval_dataset)

    def _carry_codes(self, dataset: Any) -> None:
        """Wrap the collator, but only for our examples: hosts inspect its type."""
        if self.in2_lengths(dataset) is not None and not isinstance(self.data_collator, AnswerCollator):
            self.data_collator: Any = AnswerCollator(self.data_collator)
            self._in2_no_figures = "this host computes its loss without IN2Trainer.compute_loss"

    def in2_examples(self, dataset: Any) -> LazyExamples | None:
        """Return the examples that a dataset reads, or None for a dataset that is not ours."""
        return dataset if isinstance(dataset, LazyExamples) else None

    # order

    def in2_lengths(self, dataset: Any) -> npt.NDArray[Any] | None:
        """Return (n,) the tokens of each example if they are known without reading, else None."""
        return dataset.lengths if isinstance(dataset, LazyExamples) else None

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        lengths = self.in2_lengths(dataset)
        if lengths is None or not self.in2_options.length_balanced or self.args.train_sampling_strategy != "random":
            return super()._get_train_sampler(train_dataset)
        sampler = BalancedSampler(
            lengths, ranks=self._in2_ranks, micro_batch=self.args.train_batch_size, seed=self._in2_seed
        )
        self._log_efficiency(sampler, lengths)
        self._in2_sampler = sampler
        return sampler

    @property
    def _in2_seed(self) -> int:
        """Return the seed of the order of examples."""
        return int(self.args.seed if self.args.data_seed is None else self.args.data_seed)

    @property
    def _in2_ranks(self) -> int:
        """Return the number of ranks that get different data, also if they train on it together, in turn (`sp`)."""
        config = getattr(self.accelerator, "parallelism_config", None)
        return int(self.accelerator.num_processes) // int(config.tp_size * config.cp_size if config else 1)

    def _log_efficiency(self, sampler: BalancedSampler, lengths: npt.NDArray[Any]) -> None:
        ranks, micro_batch = self._in2_ranks, self.args.train_batch_size
        if ranks * micro_batch == 1:
            return
        work = _work_of(self.model)
        found = [
            efficiency(lengths, order, ranks=ranks, micro_batch=micro_batch, work=work)
            for order in (sampler.order(), np.random.default_rng(0).permutation(len(lengths)))
        ]
        self.in2_log(
            f"length-balanced order for {ranks} ranks and micro-batches of {micro_batch}: expected efficiency "
            f"{found[0]:.0%}, {found[1]:.0%} in random order"
        )

    # loss

    def _set_signature_columns_if_needed(self) -> None:
        if not self._signature_columns:
            super()._set_signature_columns_if_needed()
            self._signature_columns: list[str] = [*self._signature_columns, EXAMPLE, ANSWERS, TEACHER]

    def _get_num_items_in_batch(self, batch_samples: list[Inputs], device: torch.device) -> Any:
        if not self.in2_options.own_loss or not batch_samples or "labels" not in batch_samples[0]:
            return super()._get_num_items_in_batch(batch_samples, device)
        # Trainer counts labels; a weighted loss is divided by the weights of the step
        for batch in batch_samples:
            batch[WEIGHTS] = self._weights(batch, batch.get(ANSWERS))
        total = torch.stack([batch[WEIGHTS].sum() for batch in batch_samples]).sum().to(device)
        if self.args.world_size > 1 and self.args.average_tokens_across_devices:
            total = self.accelerator.gather(total).sum()
            if config := getattr(self.accelerator, "parallelism_config", None):
                total = total / config.non_data_parallel_size
        return total

    def compute_loss(
        self, model: Any, inputs: Inputs, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return Trainer's loss with logits only at answers, and record the loss of each answer token."""
        codes, weights = inputs.pop(ANSWERS, None), inputs.pop(WEIGHTS, None)
        taught = {name: inputs.pop(name) for name in (SCORES, GOLD) if name in inputs}
        if self.in2_options.shift_labels and "shift_labels" not in inputs:
            self._in2_no_figures = self._in2_no_figures and "rows are split over ranks inside the model"
            return super().compute_loss(model, with_shift_labels(inputs), return_outputs, num_items_in_batch)
        kept = keep_supervised(inputs) if self.in2_options.logits_at_answers else inputs
        targets = targets_of(kept)  # before Trainer removes the labels for a `compute_loss_func`
        if self.in2_options.own_loss:
            weights = self._weights(inputs, codes) if weights is None else weights  # None: the step was not counted
            teacher = self._teacher(model, taught) if self.in2_options.distills else None
            loss, outputs, each = self._own_loss(model, kept, targets, weights, num_items_in_batch, teacher)
            losses = each.answer
            self._tally_divergences(codes, each.divergence)
        else:
            loss, outputs = super().compute_loss(model, kept, True, num_items_in_batch)
            losses = _losses_of(outputs, targets) if codes is not None or "logits_to_keep" in kept else None
            if losses is not None and "logits_to_keep" in kept:
                self._check_own_loss(loss, losses, outputs, num_items_in_batch)
        self._tally(codes, losses)
        return (loss, outputs) if return_outputs else loss

    def _tally(self, codes: Tensor | None, losses: Tensor | None) -> None:
        """Record the loss of each answer token, or why there is none."""
        if codes is None:
            return
        codes = gathered(codes)
        if losses is None or len(codes) != len(losses):
            self._in2_no_figures = self._in2_no_figures and "the model does not return the logits of its answer tokens"
            return
        self._in2_no_figures = None
        self._in2_tallies[self._in2_training].add(losses.detach(), codes)

    def _tally_divergences(self, codes: Tensor | None, divergences: Tensor | None) -> None:
        """Record the divergence of each answer token from its teacher, if there is one."""
        if codes is not None and divergences is not None:
            self._in2_divergences[self._in2_training].add(divergences.detach(), gathered(codes))

    @property
    def _in2_training(self) -> bool:
        """Return False in an evaluation; DeepSpeed's engine, which `evaluate` alone wraps, says True there, too."""
        return bool(self.model.training)

    def _require_teacher(self) -> None:
        """Check, before the first step, that the model in training fits its teachers, and can be one if it has to."""
        if self.in2_options.distills:
            held_out = self.eval_dataset
            splits = (self.train_dataset, *(held_out.values() if isinstance(held_out, Mapping) else [held_out]))
            found = [examples for examples in map(self.in2_examples, splits) if examples is not None]
            teachers = [teacher for examples in found for teacher in examples.teachers]
            require_initial(self.model, teachers, self.in2_options)
            require_known_tokens(self.model, teachers)

    def _teacher(self, model: Any, taught: Inputs) -> LikeliestTokens | Tensor:
        """Return what the teacher says at each answer token."""
        return teacher_of(model, self.accelerator.unwrap_model(model), taught, self.in2_options)

    def _weights(self, inputs: Inputs, codes: Tensor | None) -> Tensor:
        """Return (n_supervised,) the weights of the answer tokens of a batch."""
        options, opening = self.in2_options, None
        if options.answer_weighting == "opening":
            if codes is None:
                raise options.not_possible("these examples do not carry the openings of their answers")
            opening = is_opening(gathered(codes))
        return loss_weights(inputs, options.loss_normalization, options.answer_weighting, opening)

    def _own_loss(
        self, model: Any, kept: Inputs, targets: Tensor, weights: Tensor, total: Any,
        teacher: LikeliestTokens | Tensor | None,
    ) -> tuple[Tensor, Any, AnswerTokenLoss]:  # fmt: skip
        """Return the loss with gradients, the outputs, and the unweighted loss of each answer token."""
        outputs = model(**{name: value for name, value in kept.items() if name not in ("labels", "shift_labels")})
        if outputs.get("aux_loss") is not None:
            raise self.in2_options.not_possible(ROUTER_LOSS)
        if outputs["logits"].shape[:2] != targets.shape:
            raise self.in2_options.not_possible("the model adds tokens of its own to the prompt")
        options = self.in2_options
        losses = answer_token_loss(outputs["logits"], targets, options.objective, options.distill, teacher)
        divisor = weights.sum() if total is None else torch.as_tensor(total, device=losses.trained.device)
        loss = (losses.trained * weights).sum() / divisor.clamp(min=1)  # 1: a batch without a label
        loss = loss + 0.0 * outputs["logits"].sum()  # connected to every parameter, even without a label
        return loss if total is None else loss * self._in2_loss_scale, outputs, losses

    @property
    def _in2_loss_scale(self) -> int:
        """Return the factor that undoes the averaging of gradients over ranks, as in Trainer.compute_loss."""
        if not self.args.average_tokens_across_devices:
            return 1
        config = getattr(self.accelerator, "parallelism_config", None)
        return int(self.accelerator.num_processes) // int(config.tp_size if config else 1)

    def _check_own_loss(self, loss: Tensor, losses: Tensor, outputs: Mapping[str, Any], n_items: Any) -> None:
        """Check once that the model's own loss is the cross-entropy of its answer tokens."""
        if self._in2_checked or n_items is None or not len(losses) or outputs.get("aux_loss") is not None:
            return
        self._in2_checked = True
        own, expected = float(loss.detach()), float(losses.sum()) / float(n_items) * self._in2_loss_scale
        if abs(own - expected) > TOLERANCE * max(abs(expected), 1e-6):
            raise ConfigError(
                f"this model's loss ({own:.5f}) is not the cross-entropy of its answer tokens ({expected:.5f}), so it "
                "needs the logits of all tokens; set `answer_logits_only: false`"
            )

    # log

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log, with the answer-token statistics of all ranks since the last log entry."""
        for training, key in ((True, "loss"), (False, "eval_loss")):
            if key in logs:
                steps = max(1, self.state.global_step - self._in2_logged) if training else None
                distills = self.in2_options.distills
                figures = self._in2_tallies[training].take(self._in2_reduced, steps, distills=distills)
                if distills:
                    figures |= self._in2_divergences[training].take_divergence(self._in2_reduced)
                logs.update({name if training else f"eval_{name}": value for name, value in figures.items()})
                self._log_missing_figures(figures)
                self._in2_logged = self.state.global_step if training else self._in2_logged
        super().log(logs, *args, **kwargs)

    def _log_missing_figures(self, figures: Mapping[str, float]) -> None:
        """Log once why the log has no loss by depth."""
        if not figures and self._in2_no_figures:
            self.in2_log(f"no loss by depth in the log: {self._in2_no_figures}")
            self._in2_no_figures = None

    def _in2_reduced(self, sums: Tensor) -> Tensor:
        if self.accelerator.num_processes == 1:
            return sums.cpu()
        return cast(Tensor, self.accelerator.reduce(sums.to(self.args.device), "sum").cpu())


def _losses_of(outputs: Mapping[str, Any], targets: Tensor) -> Tensor | None:
    """Return (n_supervised,) the loss of each answer token, or None if the model does not return its logits."""
    logits = outputs.get("logits")
    if logits is None or logits.shape[:2] != targets.shape:
        return None
    with torch.no_grad():
        return token_losses(logits, targets)


def model_full_logits_reason(model: Any) -> str | None:
    """Return why a model needs logits at every token, or None if it does not.

    Its forward must take `logits_to_keep`, its loss must be the shifted cross-entropy of a causal model, and it must
    not prepend tokens that are not in `input_ids`.
    """
    from transformers.loss.loss_utils import LOSS_MAPPING, ForCausalLMLoss

    adapters = getattr(model, "peft_config", None) or {}
    if any(getattr(config, "is_prompt_learning", False) for config in adapters.values()):
        return "prompt tuning prepends tokens that have no labels"
    base = model.get_base_model() if adapters else model
    if "logits_to_keep" not in inspect.signature(base.forward).parameters:
        return f"the forward of {type(base).__name__} has no `logits_to_keep`"
    if LOSS_MAPPING.get(getattr(base, "loss_type", None)) is not ForCausalLMLoss:
        return f"the loss of {type(base).__name__} is not the shifted cross-entropy of a causal model"
    return None


def model_weights_reason(model: Any) -> str | None:
    """Return why answer tokens of a model cannot have different weights, or None if they can."""
    adapters = (getattr(model, "peft_config", None) or {}).values()
    if any(one.is_prompt_learning and one.peft_type not in PROMPT_IN_CACHE for one in adapters):
        return "prompt tuning prepends tokens that have no labels"
    if getattr(model.config.get_text_config(), "output_router_logits", False):
        return f"{ROUTER_LOSS} (`output_router_logits`)"
    return None


class _EpochSampler(Protocol):
    """A sampler whose order depends on the epoch."""

    def set_epoch(self, epoch: int) -> None: ...


class _ResumeCallback(TrainerCallback):
    """Sets the epoch and the last logged step of a resumed run.

    When an epoch is resumed on several ranks, accelerate 1.13 does not reach its sampler: `set_epoch` looks through one
    wrapper of a batch sampler, and there are two (BatchSamplerShard in SkipBatchSampler).
    """

    def __init__(self, trainer: "IN2Trainer") -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._trainer._in2_logged = state.global_step

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._trainer._in2_sampler is not None:
            self._trainer._in2_sampler.set_epoch(int((state.epoch or 0) + 1e-6))  # 0.9999... counts as a full epoch


def _work_of(model: Any) -> Work:
    config = model.config.get_text_config()
    # parameters sharded by ZeRO-3 have size 0; their full size is in ds_numel
    n = sum(getattr(parameter, "ds_numel", parameter.numel()) for parameter in model.parameters())
    return Work(n, config.num_hidden_layers, config.hidden_size)

"""Combine TRL's SFTTrainer with ours: length-balanced order, and the loss by depth and part in the log.

Logits only at answers and equal weight for every answer token are TRL's own defaults; with another `answer_weighting`
or `objective`, IN2Trainer computes the loss. Invariant: data and settings are checked before the model is loaded.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import trl
from packaging.version import Version
from torch import Tensor
from trl import SFTConfig, SFTTrainer

from in2_plugin.errors import ConfigError
from in2_plugin.training.answer_logits import keep_supervised
from in2_plugin.training.dataset import ANSWERS, LazyExamples
from in2_plugin.training.distillation.divergence import AnswerTokenLoss, LikeliestTokens
from in2_plugin.training.distillation.teachers import is_in_step, open_teachers, other_model_warning, teacher_sentence
from in2_plugin.training.documents import TrainingDocuments
from in2_plugin.training.options import SPLIT_EXAMPLES, DistillOptions, Objective, TrainingOptions, Weighting
from in2_plugin.training.trainer import ROUTER_LOSS, IN2Trainer, model_full_logits_reason, model_weights_reason
from in2_plugin.training.trl.data import lengths_of, longest_of, transform_of, with_answers
from in2_plugin.training.trl.losses import AnswerTokenLosses, token_statistics
from in2_plugin.training.trl.settings import refuse_incompatible, sft_settings

FUSED_HEAD = Version(trl.__version__) >= Version("1.15")
"""TRL computes loss and head together, and no longer calls `Trainer.compute_loss`."""
STATISTICS_TOLERANCE = 1e-2
"""Largest relative difference between TRL's loss and the mean over answer tokens; bfloat16 kernels differ by less."""


class IN2SFTTrainer(SFTTrainer, IN2Trainer):
    """SFTTrainer for datasets from `load_in2_dataset`; methods resolve in SFTTrainer first, then IN2Trainer."""

    def __init__(
        self,
        model: Any,
        args: SFTConfig | None = None,
        *,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        length_balanced: bool = True,
        answer_weighting: Weighting = "token",
        objective: Objective = "answer",
        distill: DistillOptions | Mapping[str, Any] | None = None,
        **named: Any,
    ) -> None:
        """Take SFTTrainer's arguments, and four of ours.

        Args:
            length_balanced: order examples so that the ranks of a step get similar lengths.
            answer_weighting: `token` (every answer token has the same weight), `question` (every answer) or `opening`
                (half of each answer's weight is on its first tokens).
            objective: what is trained at each answer token: the stored `answer`, the distribution of a
                teacher that reads the gold segments alone (`distill`), or `both`, added.
            distill: `teacher`, `weight`, `temperature` and `top_k`, as in `DistillOptions`.

        Raises:
            ConfigError: a setting conflicts with IN2 examples, or `train_dataset` is not an IN2 dataset.
            DatasetError: the teacher is missing; names the command to run.
        """
        args = SFTConfig(**sft_settings()) if args is None else args
        transform = transform_of(train_dataset)
        if transform is None:
            raise ConfigError(
                "`train_dataset` is not from `load_in2_dataset`; load it with that function, or use TRL's SFTTrainer"
            )
        held_out = eval_dataset.values() if isinstance(eval_dataset, Mapping) else [eval_dataset]
        refuse_incompatible(args, longest_of(train_dataset, *held_out))
        # TRL itself applies the head only at supervised positions, gathered under ZeRO-3 and FSDP2
        self.in2_options = TrainingOptions(
            logits_at_answers=False,
            answer_weighting=answer_weighting,
            objective=objective,
            distill=DistillOptions.of(distill, objective),
            length_balanced=length_balanced,
        )
        if self.in2_options.own_loss and named.get("compute_loss_func"):
            raise self.in2_options.not_possible("`compute_loss_func` computes the loss")
        if any(one is not None and transform_of(one) is None for one in held_out):
            self._refuse_other_examples()
        adapter = hasattr(model, "disable_adapter") or named.get("peft_config") is not None
        transforms = filter(None, map(transform_of, (train_dataset, *held_out)))
        folders = [folder for one in transforms for folder in one.examples.folders]
        self._in2_teacher_in_step = is_in_step(folders, self.in2_options.distill, adapter=adapter)
        super().__init__(
            model, args, train_dataset=self._carrying(train_dataset), eval_dataset=self._carrying(eval_dataset), **named
        )
        self.add_callback(TrainingDocuments(transform.examples.folders, self.in2_log))
        self._in2_per_token = AnswerTokenLosses(self.model)
        self._in2_agrees: bool | None = None
        if self.in2_options.own_loss:
            self._compute_own_loss()
            self._require_teacher()
            self._log_teacher()
        elif self._in2_keeps_answers:
            self.in2_log("logits are computed only at answer tokens; TRL alone does so only on a GPU")

    def _refuse_other_examples(self) -> None:
        """Refuse an evaluation on examples that do not carry what the loss needs."""
        if self.in2_options.distills:
            raise self.in2_options.not_possible("`eval_dataset` does not carry what a teacher says about its answers")
        if self.in2_options.answer_weighting == "opening":
            raise self.in2_options.not_possible("`eval_dataset` does not carry the openings of its answers")

    def _carrying(self, dataset: Any) -> Any:
        """Return the dataset, or each dataset of a mapping, with what the loss needs in its rows."""
        return with_answers(dataset, self._taught if self.in2_options.distills else None)

    def _taught(self, examples: LazyExamples) -> LazyExamples:
        options = self.in2_options.distill
        return examples.taught_by(open_teachers(examples.folders, options, in_step=self._in2_teacher_in_step))

    def _log_teacher(self) -> None:
        if self.in2_options.distills:
            examples = self.in2_examples(self.train_dataset)
            assert examples is not None
            self.in2_log(teacher_sentence(examples.teachers, self.in2_options.distill))
            name = str(getattr(self.model.config, "_name_or_path", ""))
            if warning := other_model_warning(examples.teachers, self.in2_options.distill, name):
                self.in2_log(f"warning: {warning}")

    def _compute_own_loss(self) -> None:
        """Check that we can compute the loss of each answer token, and choose how to compute logits."""
        if reason := self._no_weights_reason():
            raise self.in2_options.not_possible(reason)
        at_answers = self.compute_metrics is None and model_full_logits_reason(self.model) is None
        self.in2_options = replace(self.in2_options, logits_at_answers=at_answers)

    def _no_weights_reason(self) -> str | None:
        """Return why answer tokens cannot have different weights, or None if they can."""
        if getattr(self.accelerator, "parallelism_config", None) is not None:
            return SPLIT_EXAMPLES
        return f"{ROUTER_LOSS} (`router_aux_loss_coef`)" if self.aux_loss_enabled else model_weights_reason(self.model)

    def in2_examples(self, dataset: Any) -> LazyExamples | None:
        """Return the examples of a dataset from `load_in2_dataset`."""
        transform = transform_of(dataset)
        return transform.examples if transform else None

    def in2_lengths(self, dataset: Any) -> npt.NDArray[np.uint32] | None:
        """Return (n,) the tokens of each example of a dataset from `load_in2_dataset`."""
        return lengths_of(dataset)

    def evaluate(self, eval_dataset: Any = None, *rest: Any, **named: Any) -> dict[str, float]:
        """Evaluate as SFTTrainer does, with the statistics of IN2 examples."""
        found: dict[str, float] = super().evaluate(self._carrying(eval_dataset), *rest, **named)
        return found

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return TRL's loss, or ours, and record the loss of each answer token."""
        if self.in2_options.own_loss:
            inputs.pop("_prediction_loss_only", None)  # TRL before 1.15 passes it from `prediction_step`
            inputs["use_cache"] = False
            return IN2Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)
        codes = inputs.pop(ANSWERS, None)
        if self._in2_keeps_answers and not return_outputs and "shift_labels" not in inputs:
            kept = keep_supervised(inputs)
            self._in2_per_token.expect_kept(kept["shift_labels"], kept["logits_to_keep"])
            inputs = {**inputs, "shift_labels": kept["shift_labels"]}
        else:
            # under context parallelism labels arrive shifted, and each rank has only part of them
            whole = codes is not None and self._in2_agrees is not False and "shift_labels" not in inputs
            self._in2_per_token.expect(inputs.get("labels") if whole else None)
        found = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        losses = self._in2_per_token.take()
        loss = found[0] if return_outputs else found
        comparable = num_items_in_batch is not None and not self.aux_loss_enabled  # TRL adds the loss of the router
        if losses is not None and len(losses) and comparable and self._in2_agrees is None:
            self._in2_agrees = self._losses_agree(float(loss.detach()), float(losses.sum()) / float(num_items_in_batch))
        if self._in2_agrees is not False:
            self._tally(codes, losses)
        return found

    def _own_loss(
        self, model: Any, kept: dict[str, Any], targets: Tensor, weights: Tensor, total: Any,
        teacher: LikeliestTokens | Tensor | None,
    ) -> tuple[Tensor, Any, AnswerTokenLoss]:  # fmt: skip
        found = super()._own_loss(model, kept, targets, weights, total, teacher)
        self._append_metrics(kept, found[1]["logits"], targets)
        return found

    def _append_metrics(self, inputs: Mapping[str, Any], logits: Tensor, targets: Tensor) -> None:
        """Append the metrics that SFTTrainer.compute_loss appends."""
        metrics = self._metrics["train" if self._in2_training else "eval"]
        mine = token_statistics(logits, targets)
        entropy, correct, n_answer_tokens = self.accelerator.gather(mine[None]).sum(0).tolist()
        metrics["entropy"].append(entropy / max(1, n_answer_tokens))
        metrics["mean_token_accuracy"].append(correct / max(1, n_answer_tokens))
        if self._in2_training:
            mask = inputs.get("attention_mask")
            n_tokens = inputs["input_ids"].new_tensor([inputs["input_ids"].numel() if mask is None else mask.sum()])
            self._total_train_tokens += int(self.accelerator.gather(n_tokens).sum())
        metrics["num_tokens"] = [self._total_train_tokens]

    @cached_property
    def _in2_keeps_answers(self) -> bool:
        """Return True if TRL's head would score every position of the context, and need not."""
        return (
            FUSED_HEAD
            and self.accelerator.device.type not in ("cuda", "xpu")
            and self.compute_loss_func is None
            and getattr(self.accelerator, "parallelism_config", None) is None
            and model_full_logits_reason(self.model) is None
        )

    def _losses_agree(self, own: float, per_token: float) -> bool:
        """Return True if the losses of answer tokens add up to the training loss; otherwise log that they do not."""
        expected = per_token * self._in2_loss_scale
        agrees = abs(own - expected) <= STATISTICS_TOLERANCE * max(abs(own), 1e-6)
        if not agrees:
            self.in2_log(
                f"no loss by depth in the log: the loss of this model ({own:.5f}) is not the cross-entropy of its "
                f"answer tokens ({expected:.5f})"
            )
            self._in2_no_figures = None  # this was the reason
        return agrees

"""TRL's SFTTrainer with ours behind it: balanced order, and the loss by depth and part in the log.

Logits at answers alone and one weight for every answer token are TRL's own default. Invariant: data and settings are
checked before the model is loaded.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor
from trl import SFTConfig, SFTTrainer

from in2_plugin.errors import ConfigError
from in2_plugin.training.dataset import ANSWERS
from in2_plugin.training.trainer import IN2Trainer, TrainingOptions
from in2_plugin.training.trl.data import lengths_of, longest_of, transform_of, with_answers
from in2_plugin.training.trl.losses import AnswerLosses
from in2_plugin.training.trl.settings import refuse_unfit, sft_settings

STATISTICS_TOLERANCE = 1e-2
"""Relative difference between the loss and that of its answer tokens, at which they are not the same; kernels in
bfloat16 differ by less."""


class IN2SFTTrainer(SFTTrainer, IN2Trainer):
    """SFTTrainer for datasets from `load_in2_dataset`: its methods, then ours, then those of transformers."""

    def __init__(
        self,
        model: Any,
        args: SFTConfig | None = None,
        *,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        length_balanced: bool = True,
        **named: Any,
    ) -> None:
        """As SFTTrainer. `length_balanced`: order examples so that the ranks of a step get like lengths.

        Raises:
            ConfigError: a setting does not fit IN2 examples, or `train_dataset` holds none.
        """
        args = SFTConfig(**sft_settings()) if args is None else args
        if transform_of(train_dataset) is None:
            raise ConfigError(
                "`train_dataset` is not from `load_in2_dataset`; load it with that, or train with TRL's own SFTTrainer"
            )
        held_out = eval_dataset.values() if isinstance(eval_dataset, Mapping) else [eval_dataset]
        refuse_unfit(args, longest_of(train_dataset, *held_out))
        # the head is left to TRL, which keeps it to supervised positions, gathered under ZeRO-3 and FSDP2
        self.in2_options = TrainingOptions(logits_at_answers=False, length_balanced=length_balanced)
        super().__init__(
            model, args, train_dataset=with_answers(train_dataset), eval_dataset=with_answers(eval_dataset), **named
        )
        self._in2_per_token = AnswerLosses(self.model)
        self._in2_agrees: bool | None = None

    def in2_lengths(self, dataset: Any) -> npt.NDArray[np.uint32] | None:
        """(n,) tokens of each example of a dataset from `load_in2_dataset`."""
        return lengths_of(dataset)

    def evaluate(self, eval_dataset: Any = None, *rest: Any, **named: Any) -> dict[str, float]:
        """As SFTTrainer, with the statistics of IN2 examples."""
        found: dict[str, float] = super().evaluate(with_answers(eval_dataset), *rest, **named)
        return found

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss; the loss of each answer token is put aside for the log."""
        # under context parallelism labels come shifted, and a rank has only some of them
        whole = self._in2_agrees is not False and "shift_labels" not in inputs
        self._in2_per_token.expect(inputs.get("labels") if whole and ANSWERS in inputs else None)
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def _losses(self, loss: Tensor, outputs: Any, kept: Any, codes: Tensor | None, n_items: Any) -> Tensor | None:
        losses = self._in2_per_token.take()
        if losses is None or outputs.get("aux_loss") is not None:
            return losses
        if self._in2_agrees is None and n_items is not None and len(losses):
            self._in2_agrees = self._agree(float(loss.detach()), float(losses.sum()) / float(n_items))
        return losses if self._in2_agrees is not False else None

    def _agree(self, own: float, per_token: float) -> bool:
        """Whether the losses of answer tokens make up the loss that is trained on; if not, it is said."""
        expected = per_token * self._in2_loss_scale
        agrees = abs(own - expected) <= STATISTICS_TOLERANCE * max(abs(own), 1e-6)
        if not agrees:
            self.in2_say(
                f"no loss by depth in the log: the loss of this model ({own:.5f}) is not the cross-entropy of its "
                f"answer tokens ({expected:.5f})"
            )
        return agrees

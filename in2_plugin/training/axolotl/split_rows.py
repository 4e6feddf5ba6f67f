"""The loss under context parallelism, where each rank holds part of every row.

Axolotl 0.21 splits a batch before the model sees it: in the collator with ringmaster, in the loader under DeepSpeed
(UlyssesSPDataLoaderAdapter). Labels then arrive aligned with the logits (`shift_labels`), and logits, answer codes and
loss need nothing else. Invariant: every answer token of an optimizer step has the same weight, whatever rank holds it.
"""

from typing import Any

import torch
from transformers import Trainer


class SplitRowsLoss(Trainer):
    """Mixin below IN2Trainer: divides the loss by the answer tokens of the whole step under DeepSpeed too.

    There, transformers averages over each row (`deepspeed_sp_compute_loss`): a row with a short answer weighs as much
    as one with a long answer.
    """

    in2_summed_ranks: int | None = None
    """`summed_ranks` of this run."""

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: torch.device) -> Any:
        if self.in2_summed_ranks is None:
            return super()._get_num_items_in_batch(batch_samples, device)
        if not batch_samples or "shift_labels" not in batch_samples[0]:
            return None  # an evaluation, whose rows are not split
        mine = torch.stack([batch["shift_labels"].ne(-100).sum() for batch in batch_samples]).sum()
        return self.accelerator.gather(mine.to(device)).sum()  # each rank has other tokens

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the sum over this rank's tokens, divided by the step's count and scaled as Trainer does."""
        if self.in2_summed_ranks is None or num_items_in_batch is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs.get("labels", inputs["shift_labels"])  # the loader removes the labels
        outputs = model(**{**inputs, "labels": labels}, num_items_in_batch=num_items_in_batch)
        loss = outputs["loss"] * self.accelerator.num_processes
        loss = loss.detach() + (loss - loss.detach()) / self.in2_summed_ranks  # the value stays, the gradient shrinks
        return (loss, outputs) if return_outputs else loss


def summed_ranks(accelerator: Any) -> int | None:
    """Return over how many ranks DeepSpeed sums gradients, or None without its sequence parallelism.

    It averages over the other ranks. With `reduce_scatter`, the default, stage 3 averages over all (DeepSpeed 0.19:
    runtime/zero/stage3.py, runtime/comm/coalesced_collectives.py); Axolotl 0.21 divides gradients as if it summed them.
    """
    config: Any = getattr(accelerator, "parallelism_config", None)
    if config is None or getattr(config, "sp_backend", None) != "deepspeed" or config.sp_size == 1:
        return None
    zero = accelerator.state.deepspeed_plugin.deepspeed_config.get("zero_optimization", {})
    return 1 if zero.get("stage") == 3 and zero.get("reduce_scatter", True) else int(config.sp_size)

"""The loss under context parallelism, where each rank holds part of every row.

Axolotl 0.21 splits a batch before the model sees it: in the collator with ringmaster, in the loader under DeepSpeed
(UlyssesSPDataLoaderAdapter). Labels then arrive aligned with the logits (`shift_labels`), and logits, answer codes and
loss need nothing else. Invariants: every answer token of an optimizer step has the same weight, whatever rank holds it;
every epoch has every row once, also if a run resumes within it.
"""

from typing import Any
from unittest.mock import patch

import torch
from accelerate import skip_first_batches
from transformers import Trainer


class SplitRowsLoss(Trainer):
    """Mixin below IN2Trainer: loss and epochs under DeepSpeed as without it.

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

    def _run_epoch(self, model: Any, epoch: Any, train_dataloader: Any, **rest: Any) -> None:
        """Run an epoch as Trainer does, from its first row."""
        if not hasattr(train_dataloader, "micro_batches"):
            super()._run_epoch(model=model, epoch=epoch, train_dataloader=train_dataloader, **rest)
            return
        start_epoch(train_dataloader, epoch)
        # accelerate cannot skip batches of DeepSpeed's loader
        with patch("transformers.trainer.skip_first_batches", skip_micro_batches):
            super()._run_epoch(model=model, epoch=epoch, train_dataloader=train_dataloader, **rest)


def start_epoch(adapter: Any, epoch: int) -> None:
    """Set a UlyssesSPDataLoaderAdapter to the first row of an epoch.

    It starts over only after it has raised StopIteration (DeepSpeed 0.19: runtime/sequence_parallel/ulysses_sp.py).
    Trainer reads exactly as many batches as an epoch has, so the next epoch would have an empty step and lose rows.
    """
    adapter.micro_batches.clear()
    adapter.dl.set_epoch(epoch)  # Trainer does not reach the loader in the adapter
    adapter.iter = iter(adapter.dl)


def skip_micro_batches(adapter: Any, n: int) -> Any:
    """Skip the first `n` micro-batches of a UlyssesSPDataLoaderAdapter in this epoch, and return it.

    A batch of the wrapped loader gives one micro-batch per rank. Skipped batches are not read, except the last one if
    only some of its micro-batches are skipped.
    """
    batches, rest = divmod(n, adapter.sp_world_size)
    rest_of_epoch = skip_first_batches(adapter.dl, batches)
    rest_of_epoch.iteration = adapter.dl.iteration  # its epoch, which accelerate 1.13 does not copy
    adapter.iter = iter(rest_of_epoch)
    for _ in range(rest):
        next(adapter)
    return adapter


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

"""Compute the loss of each answer token next to TRL's own loss, which returns only the sum.

A hook on the decoder applies the head to the last hidden states of answer tokens once more, without gradients. It runs
inside the model's forward, where the head is complete or can be gathered under ZeRO-3, FSDP and DDP. Cost: the head for
the answer tokens, 256 at a time, which is negligible next to 32K tokens of context.

The hook can also pass only the hidden states of answer tokens on to the head: the fused head of TRL 1.15 and newer
scores only labelled positions on a GPU, but every position elsewhere (`add_fused_lm_head` in trl/trainer/utils.py).
"""

from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from in2_plugin.training.answer_logits import IGNORED, ROWS, shifted


class AnswerTokenLosses:
    """Per-token losses of the last forward of a causal model of transformers."""

    def __init__(self, model: Any) -> None:
        causal = model.get_base_model() if getattr(model, "peft_config", None) else model
        text = causal.config.get_text_config()
        self._head = causal.get_output_embeddings()
        self._scale = getattr(text, "logit_scale", None) or 1.0
        self._cap = getattr(text, "final_logit_softcapping", None)
        self._targets: Tensor | None = None
        self._keep: Tensor | None = None
        self._losses: Tensor | None = None
        causal.base_model.register_forward_hook(self._after_decoder)

    def expect(self, labels: Tensor | None) -> None:
        """Set the (batch, n_tokens) labels for the next forward; None disables the computation."""
        self._targets, self._keep, self._losses = None if labels is None else shifted(labels), None, None

    def expect_kept(self, targets: Tensor, keep: Tensor) -> None:
        """Let the next forward apply the head only at the (n_kept,) positions `keep`, with (batch, n_kept) targets."""
        self._targets, self._keep, self._losses = targets, keep, None

    def take(self) -> Tensor | None:
        """Return and clear (n_supervised,) losses in nats, row by row; None if there are none."""
        losses, self._losses, self._targets, self._keep = self._losses, None, None, None
        return losses

    def _after_decoder(self, _: nn.Module, __: Any, output: Any) -> Any:
        if self._targets is None:
            return None
        if self._keep is not None:
            output["last_hidden_state"] = output["last_hidden_state"][:, self._keep]
        self._compute(output["last_hidden_state"], self._targets)
        return output

    def _compute(self, hidden: Tensor, targets: Tensor) -> None:
        if hidden.shape[:2] != targets.shape:  # prompt tuning prepends tokens
            return
        supervised = targets != IGNORED
        with torch.no_grad(), _gathered(self._head):
            weight, bias = _whole(self._head.weight), _whole(getattr(self._head, "bias", None))
            losses = [
                functional.cross_entropy(self._logits(rows, weight, bias), wanted, reduction="none")
                for rows, wanted in zip(hidden[supervised].split(ROWS), targets[supervised].split(ROWS), strict=True)
            ]
        self._losses = torch.cat(losses)

    def _logits(self, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return logits as TRL computes them: in float32, scaled for Cohere models and capped for Gemma models."""
        logits = functional.linear(rows.float(), weight.float(), None if bias is None else bias.float()) * self._scale
        return self._cap * torch.tanh(logits / self._cap) if self._cap else logits


def token_statistics(logits: Tensor, targets: Tensor) -> Tensor:
    """Return (3,) the summed entropy in nats, the number of most likely tokens that are right, and of all tokens.

    Args:
        logits: (batch, n_kept, vocabulary), aligned with `targets`.
        targets: (batch, n_kept), IGNORED where there is no loss.
    """
    supervised = targets != IGNORED
    sums = torch.zeros(3, device=logits.device)
    all_rows = logits.detach()[supervised]
    for rows, wanted in zip(all_rows.split(ROWS), targets[supervised].split(ROWS), strict=True):
        log_probs = rows.float().log_softmax(-1)
        entropy, right = -(log_probs.exp() * log_probs).sum(), (rows.argmax(-1) == wanted).sum()
        sums += torch.stack([entropy, right.float(), entropy.new_tensor(float(len(rows)))])
    return sums


def _gathered(head: nn.Module) -> AbstractContextManager[Any]:
    """Gather the parameters of the head if ZeRO-3 has partitioned them."""
    # a head tied to the embeddings is gathered already and must not be partitioned again here
    sharded = [one for one in head.parameters(recurse=False) if getattr(one, "ds_numel", one.numel()) != one.numel()]
    if not sharded:
        return nullcontext()
    gathered: AbstractContextManager[Any] = import_module("deepspeed").zero.GatheredParameters(sharded)
    return gathered


def _whole(parameter: Any) -> Any:
    """Return the full parameter if FSDP2 has sharded it."""
    return parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter

"""The loss of each answer token under an objective: cross-entropy, KL divergence from a teacher, or both.

Nothing here averages: weights and divisor are those of the trainer. Cost: one more log-softmax of the answer tokens
next to that of the cross-entropy, both kept for the backward pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from in2_plugin.teaching.likeliest import likeliest_tokens
from in2_plugin.training.answer_logits import IGNORED, ROWS, token_losses
from in2_plugin.training.options import DistillOptions, Objective


@dataclass(frozen=True, slots=True)
class LikeliestTokens:
    """A teacher's likeliest tokens at each answer token, the likeliest first."""

    ids: Tensor
    """(n, K) int64."""
    logprobs: Tensor
    """(n, K + 1) float32, in nats; the last is that of all other tokens."""

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, k: int) -> "LikeliestTokens":
        """Return the k likeliest; those after them belong to the other tokens."""
        rest = self.logprobs[:, k:].logsumexp(-1, keepdim=True)
        return LikeliestTokens(self.ids[:, :k], torch.cat([self.logprobs[:, :k], rest], -1))


@dataclass(frozen=True, slots=True)
class AnswerTokenLoss:
    """What is trained at each answer token, and what the log shows."""

    trained: Tensor
    """(n,) with gradients."""
    answer: Tensor
    """(n,) cross-entropy of the answer, in nats."""
    divergence: Tensor | None = None
    """(n,) KL(teacher || model), in nats, times the square of the temperature."""


def answer_token_loss(
    logits: Tensor, targets: Tensor, objective: Objective, distill: DistillOptions,
    teacher: LikeliestTokens | Tensor | None,
) -> AnswerTokenLoss:  # fmt: skip
    """Return the loss of each supervised token, row by row.

    Args:
        logits: (batch, n_kept, vocabulary), aligned with `targets`.
        targets: (batch, n_kept), IGNORED where there is no loss.
        teacher: n_supervised likeliest tokens, or (n_supervised, vocabulary) logits; `answer` needs none.
    """
    if teacher is None:
        losses = token_losses(logits, targets)
        return AnswerTokenLoss(losses, losses)
    divergences = token_divergences(logits[targets != IGNORED], teacher, distill.temperature)
    with torch.set_grad_enabled(torch.is_grad_enabled() and objective == "both"):
        losses = token_losses(logits, targets)
    trained = losses + distill.weight * divergences if objective == "both" else divergences
    return AnswerTokenLoss(trained, losses, divergences)


def token_divergences(logits: Tensor, teacher: LikeliestTokens | Tensor, temperature: float) -> Tensor:
    """Return (n,) KL(teacher || model) in nats, both at a temperature, times its square.

    Of likeliest tokens, all others are one outcome, for the teacher and the model. The temperature applies to these
    K + 1 outcomes.

    Args:
        logits: (n, vocabulary) of the model.
        teacher: n likeliest tokens, or (n, vocabulary) logits.
    """
    chunks = (_compared(model, one, temperature) for model, one in _chunks(logits, teacher))
    return torch.cat([functional.kl_div(q, p, reduction="none", log_target=True).sum(-1) for q, p in chunks]) * (
        temperature**2
    )


def _chunks(logits: Tensor, teacher: LikeliestTokens | Tensor) -> Iterator[tuple[Tensor, LikeliestTokens | Tensor]]:
    for model, begin in zip(logits.split(ROWS), range(0, max(1, len(logits)), ROWS), strict=True):
        some = slice(begin, begin + ROWS)
        if isinstance(teacher, Tensor):
            yield model.float(), teacher[some].float()
        else:
            yield model.float(), LikeliestTokens(teacher.ids[some], teacher.logprobs[some])


def _compared(logits: Tensor, teacher: LikeliestTokens | Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities of the outcomes for the model and for the teacher."""
    if isinstance(teacher, Tensor):
        return (logits / temperature).log_softmax(-1), (teacher / temperature).log_softmax(-1)
    of_model = _with_rest(logits, teacher.ids)
    return (of_model / temperature).log_softmax(-1), (teacher.logprobs / temperature).log_softmax(-1)


def _with_rest(logits: Tensor, ids: Tensor) -> Tensor:
    """Return (n, K + 1) logits, the last the sum over all other tokens: 1 - sum of the K would be rounded."""
    rest = logits.scatter(-1, ids, -torch.inf).logsumexp(-1, keepdim=True)
    return torch.cat([logits.gather(-1, ids), rest], -1)


def likeliest(logits: Tensor, k: int) -> LikeliestTokens:
    """Return the k likeliest tokens of a teacher, given (n, vocabulary) logits."""
    found = [likeliest_tokens(rows, k) for rows in logits.split(ROWS)]
    return LikeliestTokens(*(torch.cat(parts) for parts in zip(*found, strict=True)))

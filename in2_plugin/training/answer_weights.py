"""Weigh the loss of answer tokens. Imports torch and nothing else.

The loss of an optimizer step is the sum of weight * loss over its answer tokens, divided by the sum of their weights.
Invariant: a token's weight depends on its own example alone, so splitting a step into other micro-batches, rows or
ranks changes neither loss nor gradient. docs/design/2026-11-30-answer-weighting.md gives the reasons for the formulas.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from in2_plugin.training.answer_logits import IGNORED, example_numbers, supervised_examples
from in2_plugin.training.options import Normalization, Weighting

OPENING_SHARE = 0.5
"""Share of an answer's weight that its opening gets at least."""
MOST = 8.0
"""Largest weight of a token, so that a few tokens of a long answer do not become the gradient of a step."""


def loss_weights(
    inputs: Mapping[str, Any], normalization: Normalization, weighting: Weighting, is_opening: Tensor | None
) -> Tensor:
    """Return (n_supervised,) float32 the weights of the supervised tokens of a micro-batch, row by row.

    Args:
        inputs: `labels` (batch, n_tokens), and `position_ids` if rows are packed.
        is_opening: (n_supervised,) bool, which `opening` needs.
    """
    answers = supervised_answers(inputs)
    weights = torch.ones(len(answers), device=answers.device)
    if weighting == "question":
        weights = 1 / _sizes(answers)
    elif weighting == "opening":
        assert is_opening is not None
        weights = opening_weights(answers, is_opening)
    return weights / _sizes(supervised_examples(inputs)) if normalization == "example" else weights


def supervised_answers(inputs: Mapping[str, Any]) -> Tensor:
    """Return (n_supervised,) the number, within the batch, of the answer that each supervised token belongs to.

    An answer is a run of supervised tokens: the question before it is not supervised.
    """
    supervised = inputs["labels"] != IGNORED
    begins = supervised.clone()
    examples = example_numbers(inputs)
    begins[:, 1:] &= ~supervised[:, :-1] | (examples[:, 1:] != examples[:, :-1])
    begins[:, 1] |= supervised[:, 1]  # the first token of a row is no target
    return begins[:, 1:].flatten().cumsum(0).view_as(begins[:, 1:])[supervised[:, 1:]] - 1


def opening_weights(answers: Tensor, is_opening: Tensor) -> Tensor:
    """Return (n,) weights that sum to the number of tokens of each answer, with half of it on the opening.

    With n tokens, o of them in the opening, the opening's tokens weigh n / 2o, at least 1 and at most MOST; the others
    share the rest equally.

    Args:
        answers: (n,) the number of each token's answer.
        is_opening: (n,) bool.
    """
    if not len(answers):
        return torch.ones(0, device=answers.device)
    n_tokens = torch.bincount(answers).float()
    n_opening = torch.zeros_like(n_tokens).index_add_(0, answers, is_opening.float())
    high = (OPENING_SHARE * n_tokens / n_opening.clamp(min=1)).clamp(1, MOST)
    high = torch.where(n_opening > 0, high, 1.0)
    low = (n_tokens - n_opening * high) / (n_tokens - n_opening).clamp(min=1)
    return torch.where(is_opening, high[answers], low[answers])


def _sizes(groups: Tensor) -> Tensor:
    """Return (n,) the size of the group that each token belongs to."""
    return groups.bincount()[groups].float()

"""Compute logits and loss only at supervised positions. Imports torch and nothing else.

Causal models of transformers take `logits_to_keep`, the positions at which the head is computed, and their loss takes
`shift_labels`. Deriving both from the labels gives the same loss and gradients without a vocabulary-wide row for every
token of the context. Cost: one device synchronization per batch, to read the labels.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100
ROWS = 256
"""Rows of logits per chunk when losses are computed."""


def shifted(labels: Tensor) -> Tensor:
    """Return (batch, n_tokens) targets: the label of the next token, IGNORED at the end."""
    return functional.pad(labels[:, 1:], (0, 1), value=IGNORED)


def targets_of(inputs: Mapping[str, Any]) -> Tensor:
    """Return (batch, n_tokens) the labels aligned with the logits; a host that splits rows has shifted them before."""
    given: Tensor | None = inputs.get("shift_labels")
    return shifted(inputs["labels"]) if given is None else given


def with_shift_labels(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with `shift_labels` added: labels aligned with the logits."""
    return {**inputs, "shift_labels": shifted(inputs["labels"])}


def keep_supervised(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs with which a model computes logits only at supervised positions.

    `labels` (batch, n_tokens) become `shift_labels` (batch, n_kept), aligned with the logits: position i predicts
    token i + 1. `logits_to_keep` (n_kept,) are the positions where any row has a label; rows without a label there have
    IGNORED. A batch without any label keeps its last position, so that its loss is connected to every parameter.
    """
    targets = targets_of(inputs)
    keep = (targets != IGNORED).any(dim=0).nonzero(as_tuple=True)[0]
    if keep.numel() == 0:
        keep = targets.new_tensor([targets.shape[1] - 1])
    kept = targets[:, keep].contiguous()
    return {**inputs, "labels": kept, "shift_labels": kept, "logits_to_keep": keep}


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return (n_supervised,) the loss of each supervised token in nats, row by row.

    Args:
        logits: (batch, n_kept, vocabulary), aligned with `targets`.
        targets: (batch, n_kept), IGNORED where there is no loss.
    """
    supervised = targets != IGNORED
    rows, wanted = logits[supervised], targets[supervised]
    losses = [
        functional.cross_entropy(chunk.float(), target, reduction="none")
        for chunk, target in zip(rows.split(ROWS), wanted.split(ROWS), strict=True)
    ]
    return torch.cat(losses)


def example_numbers(inputs: Mapping[str, Any]) -> Tensor:
    """Return (batch, n_tokens) the number, within the batch, of the example that each token belongs to.

    A row is one example, unless `position_ids` restart within it, as in a packed row.
    """
    labels = inputs["labels"]
    positions = inputs.get("position_ids")
    if positions is None or positions.shape != labels.shape:
        return torch.arange(len(labels), device=labels.device)[:, None].expand_as(labels)
    begins = positions == 0
    begins[:, 0] = True
    return (begins.flatten().cumsum(0) - 1).view_as(labels)


def supervised_examples(inputs: Mapping[str, Any]) -> Tensor:
    """Return (n_supervised,) the example number of each supervised token, row by row."""
    supervised = inputs["labels"][:, 1:] != IGNORED
    return example_numbers(inputs)[:, 1:][supervised]

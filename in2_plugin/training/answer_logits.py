"""Logits and loss at supervised positions alone. Imports torch and nothing else.

A causal model of transformers takes `logits_to_keep`, positions that its head is computed for, and its loss takes
`shift_labels`, so that turning labels into the two gives the same loss and gradients without a row of the vocabulary's
width for every token of the context. Cost: one look at the labels, which waits for the device.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100
ROWS = 256
"""Rows of logits whose losses are computed at a time."""


def shifted(labels: Tensor) -> Tensor:
    """(batch, n_tokens) what each position predicts: the label of the next one, IGNORED at the end."""
    return functional.pad(labels[:, 1:], (0, 1), value=IGNORED)


def with_shift_labels(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The same inputs, with labels aligned with the logits as well."""
    return {**inputs, "shift_labels": shifted(inputs["labels"])}


def keep_supervised(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The same inputs for a model that is to compute logits where labels are.

    `labels` (batch, n_tokens) become `shift_labels` (batch, n_kept), aligned with the logits: position i predicts
    token i + 1. `logits_to_keep` (n_kept,) are the positions where any row has a label; rows without one there have
    IGNORED. A batch without any label keeps its last position, so that its loss is connected to every parameter.
    """
    targets = shifted(inputs["labels"])
    keep = (targets != IGNORED).any(dim=0).nonzero(as_tuple=True)[0]
    if keep.numel() == 0:
        keep = targets.new_tensor([targets.shape[1] - 1])
    kept = targets[:, keep].contiguous()
    return {**inputs, "labels": kept, "shift_labels": kept, "logits_to_keep": keep}


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """(n_supervised,) loss of each supervised token in nats, row by row.

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


def examples_in(inputs: Mapping[str, Any]) -> Tensor:
    """(batch, n_tokens) number of the example that each token belongs to, counted over the batch.

    A row is an example, unless `position_ids` begin anew within it, as in a packed row.
    """
    labels = inputs["labels"]
    positions = inputs.get("position_ids")
    if positions is None or positions.shape != labels.shape:
        return torch.arange(len(labels), device=labels.device)[:, None].expand_as(labels)
    begins = positions == 0
    begins[:, 0] = True
    return (begins.flatten().cumsum(0) - 1).view_as(labels)


def supervised_examples(inputs: Mapping[str, Any]) -> Tensor:
    """(n_supervised,) the example, as in `examples_in`, of each supervised token, row by row."""
    supervised = inputs["labels"][:, 1:] != IGNORED
    return examples_in(inputs)[:, 1:][supervised]


def per_example_loss(losses: Tensor, examples: Tensor, n_examples: Tensor | int) -> Tensor:
    """Mean over examples of each one's mean over its answer tokens.

    Args:
        losses: (n_supervised,) of one micro-batch.
        examples: (n_supervised,) the example of each.
        n_examples: examples of the whole optimizer step, over all micro-batches and ranks.
    """
    _, which, counts = examples.unique(return_inverse=True, return_counts=True)
    return (losses / counts[which]).sum() / n_examples

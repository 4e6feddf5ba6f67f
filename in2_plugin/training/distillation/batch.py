"""Carry what a teacher says, or reads, in a batch: SCORES of a stored teacher, or GOLD rows for one in the step.

Both are in the order of the batch's supervised tokens, row by row. Invariant: a batch has a teacher for all of its
answer tokens, or none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from in2_plugin.errors import ConfigError
from in2_plugin.teaching.rows import GoldOnlyRow
from in2_plugin.training.answer_logits import IGNORED
from in2_plugin.training.distillation.divergence import LikeliestTokens

SCORES, GOLD = "in2_scores", "in2_gold"
"""Keys of a batch."""


def teacher_batch(taught: Sequence[Any], n_supervised: int) -> dict[str, Any]:
    """Return the keys to add to a batch.

    Args:
        taught: for each example in the order of the batch, what its teacher's `of` returns.
        n_supervised: answer tokens of the batch.

    Raises:
        ConfigError: the collator of the host removed answer tokens.
    """
    if isinstance(taught[0], tuple):
        added: dict[str, Any] = {SCORES: _pack(taught)}
        n = len(added[SCORES])
    else:
        rows = [row for example in taught for row in example]
        added, n = {GOLD: _pad(rows)}, sum(row.answer.stop - row.answer.start for row in rows)
    if n != n_supervised:
        raise ConfigError(
            f"the collator of this trainer returned {n_supervised} answer tokens of examples that have {n}, so that "
            "they cannot be compared with a teacher; set `objective: answer`"
        )
    return added


def _pack(taught: Sequence[Any]) -> Tensor:
    """Return (n, 2, K + 1) int32: token ids and a zero, and the bits of the log-probabilities.

    DeepSpeed casts floating-point tensors of a batch to the dtype of the model.
    """
    k = min(ids.shape[1] for ids, _ in taught)  # `top_k` is at most this: see `open_teachers`
    arrays = ((ids.astype(np.int32), logprobs) for ids, logprobs in taught)
    each = [LikeliestTokens(*map(torch.from_numpy, pair)).first(k) for pair in arrays]
    ids = functional.pad(torch.cat([one.ids for one in each]), (0, 1))
    return torch.stack([ids, torch.cat([one.logprobs for one in each]).view(torch.int32)], 1)


def unpack(packed: Tensor) -> LikeliestTokens:
    """Return the likeliest tokens that `_pack` packed."""
    return LikeliestTokens(packed[:, 0, :-1].long(), packed[:, 1].contiguous().view(torch.float32))


def _pad(rows: Sequence[GoldOnlyRow]) -> dict[str, Tensor]:
    """Return `input_ids`, `attention_mask`, `position_ids` and `labels`, (n_rows, longest), padded on the left.

    A row ends with its answer, and the head is computed for all rows at the positions that any of them needs: these are
    as many as the longest answer has tokens, and on the right they would grow with the number of rows.
    """
    shape = len(rows), max(len(row.ids) for row in rows)
    ids, mask, positions = (np.zeros(shape, np.int64) for _ in range(3))
    labels = np.full(shape, IGNORED, np.int64)
    for i, row in enumerate(rows):
        begin = shape[1] - len(row.ids)
        ids[i, begin:], mask[i, begin:], positions[i, begin:] = row.ids, 1, np.arange(len(row.ids))
        labels[i, begin:][row.answer] = row.ids[row.answer]
    arrays = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "labels": labels}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}

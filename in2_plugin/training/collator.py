"""Collate IN2 items: carry their answer codes and teachers past a collator that accepts only model inputs.

The codes get the shape of the labels, so that a host which splits rows over ranks splits them too. Invariant: a batch
has the codes of all its answer tokens, or none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from in2_plugin.training.answer_logits import IGNORED, targets_of
from in2_plugin.training.dataset import ANSWERS, EXAMPLE, TEACHER
from in2_plugin.training.distillation.batch import teacher_batch


class AnswerCollator:
    """Wraps a collator and carries the keys of an item that are not model inputs past it."""

    def __init__(self, collate: Any) -> None:
        """Take a collator, and over from it the splitting of rows (Axolotl 0.21: utils/collators/batching.py)."""
        self.collate = collate
        self._split = getattr(collate, "cp_shard", None)
        if self._split is not None:
            collate.cp_shard = None

    def __call__(self, features: Sequence[Any], **options: Any) -> Any:
        """Return the batch of the wrapped collator, with the codes of all answer tokens and what teachers say."""
        items = [item for feature in features for item in (feature if isinstance(feature, list) else [feature])]
        codes = [item.pop(ANSWERS) for item in items if ANSWERS in item]
        taught = [item.pop(TEACHER) for item in items if TEACHER in item]
        for item in items:
            item.pop(EXAMPLE, None)
        batch = self.collate(features, **options)
        if codes and len(codes) == len(items):
            supervised = targets_of(batch) != IGNORED
            if supervised.sum() == sum(map(len, codes)):
                batch[ANSWERS] = _spread(np.concatenate(codes), supervised)
        if taught:
            batch.update(teacher_batch(taught, int((targets_of(batch) != IGNORED).sum())))
        return batch if self._split is None else self._split(dict(batch))

    def __getattr__(self, name: str) -> Any:
        if name == "collate":  # during unpickling
            raise AttributeError(name)
        return getattr(self.collate, name)


def _spread(codes: Any, supervised: Tensor) -> Tensor:
    """Return (batch, n_tokens) int8 codes aligned with the logits, plus one: 0 is no answer, also in padding."""
    spread = torch.zeros(supervised.shape, dtype=torch.int8)
    spread[supervised] = torch.from_numpy(codes).to(torch.int8) + 1
    return spread


def gathered(spread: Tensor) -> Tensor:
    """Return (n_supervised,) the codes in a batch or in a rank's part of it, row by row."""
    return spread[spread > 0].long() - 1

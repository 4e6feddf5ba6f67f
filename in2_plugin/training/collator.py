"""Collate IN2 items: carry their answer codes past a collator that accepts only model inputs.

The wrapped collator sees only model inputs. Invariant: a batch has the codes of all its answer tokens, or none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from in2_plugin.training.dataset import ANSWERS, EXAMPLE


class AnswerCollator:
    """Wraps a collator and carries the keys of an item that are not model inputs past it."""

    def __init__(self, collate: Any) -> None:
        self.collate = collate

    def __call__(self, features: Sequence[Any], **options: Any) -> Any:
        """Return the batch of the wrapped collator, with the codes of all answer tokens under ANSWERS."""
        items = [item for feature in features for item in (feature if isinstance(feature, list) else [feature])]
        codes = [item.pop(ANSWERS) for item in items if ANSWERS in item]
        for item in items:
            item.pop(EXAMPLE, None)
        batch = self.collate(features, **options)
        if codes and len(codes) == len(items):
            batch[ANSWERS] = torch.from_numpy(np.concatenate(codes))
        return batch

    def __getattr__(self, name: str) -> Any:
        if name == "collate":  # during unpickling
            raise AttributeError(name)
        return getattr(self.collate, name)

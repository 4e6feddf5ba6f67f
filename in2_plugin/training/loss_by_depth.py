"""Loss of answer tokens by depth of their gold and by part of the mixture, so that "lost in the middle" can be watched.

Every answer token has a code: part * 8 + depth bin, the bin being 5 where the gold has not one place. Sums stay on
the device until they are logged; then one reduction over the ranks. Cost: one more log-softmax of the answer tokens.
"""

from collections.abc import Callable
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from in2_plugin.config import PARTS
from in2_plugin.dataset.plans import Plans

if TYPE_CHECKING:
    import torch

BINS = 5
"""Equal ranges of depth: 0-20% is the beginning of the context, 80-100% its end."""
_STRIDE = 8
CODES = _STRIDE * len(PARTS)


def codes(plans: Plans, number: int) -> npt.NDArray[np.int64]:
    """(n_answer_tokens,) the code of each answer token of an example, in reading order."""
    part = int(plans.part[number]) * _STRIDE
    each, counts = [], []
    for start, stop, depth in plans.answers(number).tolist():
        each.append(part + (BINS if isnan(depth) else int(depth * BINS)))
        counts.append(stop - start)
    return np.repeat(each, counts)


class AnswerStatistics:
    """Sums since they were last taken."""

    def __init__(self) -> None:
        self._sums: torch.Tensor | None = None

    def add(self, losses: "torch.Tensor", token_codes: "torch.Tensor") -> None:
        """Add answer tokens: (n,) their losses in nats, (n,) their codes."""
        import torch

        if self._sums is None:
            self._sums = torch.zeros(2, CODES, device=losses.device)
        self._sums.index_add_(1, token_codes, torch.stack([losses.float(), torch.ones_like(losses.float())]))

    def take(self, reduce: Callable[["torch.Tensor"], "torch.Tensor"], steps: int | None = None) -> dict[str, float]:
        """Figures for the log, and begin anew.

        Args:
            reduce: sums a tensor over the ranks; all of them take part.
            steps: optimizer steps since the last time, to give answer tokens a step; else their number.
        """
        import torch

        mine, self._sums = self._sums, None
        sums, counts = reduce(torch.zeros(2, CODES) if mine is None else mine).reshape(2, len(PARTS), _STRIDE).numpy()
        if not counts.any():
            return {}
        n_tokens = float(counts.sum())
        figures = {"in2/answer_tokens_per_step": n_tokens / steps} if steps else {"in2/answer_tokens": n_tokens}
        width = 100 // BINS
        for i in range(BINS):
            if n := counts[:, i].sum():
                figures[f"in2/loss_depth_{width * i:02d}_{width * (i + 1)}"] = float(sums[:, i].sum() / n)
        for part, total, n in zip(PARTS, sums.sum(1), counts.sum(1), strict=True):
            if n:
                figures[f"in2/loss_{part}"] = float(total / n)
        return {name: round(value, 6) for name, value in figures.items()}

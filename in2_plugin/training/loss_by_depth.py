"""Accumulate the loss of answer tokens by gold depth and mixture part, to show "lost in the middle" in the log.

Every answer token has a code: part * 8 + depth bin, with bin 5 if the gold is not in one place, and CODES more if it
belongs to the opening of its answer. Sums stay on the device until they are logged; then they are reduced over the
ranks once. Cost: one more log-softmax of the answer tokens.
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

    Reduce = Callable[["torch.Tensor"], "torch.Tensor"]

BINS = 5
"""Number of equal depth ranges: 0-20% is the beginning of the context, 80-100% its end."""
_STRIDE = 8
CODES = _STRIDE * len(PARTS)


def codes(plans: Plans, number: int) -> npt.NDArray[np.int64]:
    """Return (n_answer_tokens,) the code of each answer token of an example, in reading order."""
    part = int(plans.part[number]) * _STRIDE
    each, counts = [], []
    for (start, stop, depth), opening in zip(plans.answers(number).tolist(), plans.openings(number), strict=True):
        code = part + (BINS if isnan(depth) else int(depth * BINS))
        each += [CODES + code, code]
        counts += [opening, stop - start - opening]
    return np.repeat(each, counts)


def is_opening(token_codes: "torch.Tensor") -> "torch.Tensor":
    """Return (n,) bool: True for tokens of the opening of their answer."""
    return token_codes >= CODES


class AnswerStatistics:
    """Sums of losses and counts since the last `take`."""

    def __init__(self) -> None:
        self._sums: torch.Tensor | None = None

    def add(self, losses: "torch.Tensor", token_codes: "torch.Tensor") -> None:
        """Add answer tokens, given as (n,) losses in nats and (n,) codes."""
        import torch

        if self._sums is None:
            self._sums = torch.zeros(2, 2 * CODES, device=losses.device)
        self._sums.index_add_(1, token_codes, torch.stack([losses.float(), torch.ones_like(losses.float())]))

    def take(self, reduce: "Reduce", steps: int | None = None, *, distills: bool = False) -> dict[str, float]:
        """Return the metrics for the log and reset the sums.

        Args:
            reduce: sums a tensor over the ranks; every rank must call it.
            steps: optimizer steps since the last call, to report answer tokens per step; without it, their number.
            distills: also return the mean over all answer tokens, which is then not the training loss.
        """
        found = self._take(reduce)
        sums, counts = found.sum(1)
        if not counts.any():
            return {}
        n_tokens = float(counts.sum())
        figures = {"in2/answer_tokens_per_step": n_tokens / steps} if steps else {"in2/answer_tokens": n_tokens}
        if distills:
            figures["in2/loss_answer"] = float(sums.sum() / n_tokens)
        figures |= _by_depth("loss_depth", sums, counts)
        figures |= _by_depth("loss_opening_depth", *found[:, 1])
        for part, total, n in zip(PARTS, sums.sum(1), counts.sum(1), strict=True):
            if n:
                figures[f"in2/loss_{part}"] = float(total / n)
        return {name: round(value, 6) for name, value in figures.items()}

    def take_divergence(self, reduce: "Reduce") -> dict[str, float]:
        """Return the metrics of KL divergences that were added as losses, and reset the sums."""
        sums, counts = self._take(reduce).sum(1)
        if not counts.any():
            return {}
        figures = {"in2/kl": float(sums.sum() / counts.sum()), **_by_depth("kl_depth", sums, counts)}
        return {name: round(value, 6) for name, value in figures.items()}

    def _take(self, reduce: "Reduce") -> npt.NDArray[np.float32]:
        """Return (2, 2, n_parts, n_bins) sums and counts, after and in the opening of answers, and reset them."""
        import torch

        mine, self._sums = self._sums, None
        found = reduce(torch.zeros(2, 2 * CODES) if mine is None else mine)
        sums: npt.NDArray[np.float32] = found.reshape(2, 2, len(PARTS), _STRIDE).numpy()
        return sums


def _by_depth(name: str, sums: npt.NDArray[np.float32], counts: npt.NDArray[np.float32]) -> dict[str, float]:
    """Return the mean loss in each depth range that has tokens; sums and counts are (n_parts, n_bins)."""
    width, bins = 100 // BINS, range(BINS)
    total, n = sums.sum(0), counts.sum(0)
    return {f"in2/{name}_{width * i:02d}_{width * (i + 1)}": float(total[i] / n[i]) for i in bins if n[i]}

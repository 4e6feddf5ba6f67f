"""Return the likeliest tokens of a teacher, with the log-probability that all other tokens have together.

The latter is a sum over the whole vocabulary: 1 minus the sum of rounded probabilities has an error of 1e-4, which a
temperature of 2 turns into 1%.
"""

import torch
from torch import Tensor

LEAST = -1e4
"""Least log-probability, in nats: that of a token that a model rules out is -inf, and the loss would be NaN."""


def likeliest_tokens(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return (n, k) token ids and (n, k + 1) float32 log-probabilities, the last that of all other tokens.

    Args:
        logits: (n, vocabulary).
        k: less than the vocabulary.
    """
    logprobs = logits.float().log_softmax(-1)
    values, ids = logprobs.topk(k)
    rest = logprobs.scatter(-1, ids, -torch.inf).logsumexp(-1, keepdim=True)
    return ids, torch.cat([values, rest], -1).clamp(min=LEAST)

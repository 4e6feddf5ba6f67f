"""The weighted loss of answer tokens, computed token by token, to compare trainers with."""

import torch

from in2_plugin.training.answer_weights import MOST

KINDS = [("token", "token"), ("example", "token"), ("token", "question"), ("token", "opening"), ("example", "opening")]
"""`loss_normalization` and `answer_weighting`."""


def plain_weights(examples, kind):
    """Return the weights of all answer tokens; an example is a list of answers (tokens, of which in the opening)."""
    normalization, weighting = kind
    weights = []
    for answers in examples:
        for n, o in answers:
            high = min(MOST, max(1, n / (2 * o))) if weighting == "opening" and o else 1
            low = (n - o * high) / (n - o) if n > o else 1
            unit = {"question": n}.get(weighting, 1) * (sum(a for a, _ in answers) if normalization == "example" else 1)
            weights += [high / unit] * o + [low / unit] * (n - o)
    return weights


def plain_loss(model, plans, numbers, kind):
    """Return the weighted mean of the losses of these examples, computed token by token from all logits."""
    losses, sizes = [], []
    for number in numbers:
        ids, labels = (torch.tensor(part) for part in plans.assemble(number))
        log_probs = model(input_ids=ids[None]).logits[0, :-1].log_softmax(-1)
        losses += [-log_probs[i - 1, ids[i]] for i in range(1, len(ids)) if labels[i] != -100]
        answers = zip(plans.answers(number).tolist(), plans.openings(number).tolist(), strict=True)
        sizes.append([(stop - start, opening) for (start, stop, _), opening in answers])
    weights = torch.tensor(plain_weights(sizes, kind))
    return (torch.stack(losses) * weights).sum() / weights.sum()


def plain_divergence(logits, teacher, temperature):
    """Return KL(teacher || model) for each row of logits, in float64.

    The teacher is a pair of token ids and their probabilities for each row; without ids, it has the whole vocabulary.
    """
    found = []
    for row, (ids, stored) in zip(logits.double(), teacher, strict=True):
        p, q = stored.double(), row.softmax(0)
        if ids is not None:
            p, q = (torch.cat([each, 1 - each.sum(0, keepdim=True)]) for each in (p, q[ids]))
        p, q = (each ** (1 / temperature) / (each ** (1 / temperature)).sum() for each in (p, q))
        found.append(temperature**2 * (p * (p / q).log()).sum())
    return torch.stack(found)


def plain_teacher(logits, k=None):
    """Return a teacher for `plain_divergence` from (n, vocabulary) logits."""
    rows = (row.softmax(0) for row in logits.double())
    return [(None, p) if k is None else ((first := p.argsort(descending=True)[:k]), p[first]) for p in rows]

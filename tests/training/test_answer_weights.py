"""Weights of answer tokens, compared with a plain implementation over lists."""

import random

import pytest
import torch

from in2_plugin.training.answer_logits import IGNORED
from in2_plugin.training.answer_weights import MOST, loss_weights, opening_weights, supervised_answers
from tests.support.plain_loss import KINDS, plain_weights


def drawn_examples(draw, n):
    sizes = [[draw.randint(1, 40) for _ in range(draw.randint(1, 4))] for _ in range(n)]
    return [[(size, draw.choice([0, min(size, draw.randint(1, 9))])) for size in each] for each in sizes]


def batch_of(examples, draw, per_row):
    """Return packed rows of examples, padded, and whether each answer token is in an opening."""
    rows, opening = [], []
    for first in range(0, len(examples), per_row):
        labels, positions = [], []
        for answers in examples[first : first + per_row]:
            one = []
            for n, o in answers:
                one += [IGNORED] * draw.randint(1, 5) + [7] * n
                opening += [True] * o + [False] * (n - o)
            labels += one
            positions += range(len(one))
        rows.append((labels, positions))
    width = max(len(labels) for labels, _ in rows) + 3
    padded = [(labels + [IGNORED] * (width - len(labels)), positions + [0] * (width - len(positions)))
              for labels, positions in rows]  # fmt: skip
    labels, positions = (torch.tensor(each) for each in zip(*padded, strict=True))
    packed = {"position_ids": positions} if per_row > 1 else {}
    return {"labels": labels, **packed}, torch.tensor(opening)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_row", [1, 3])
def test_weights_equal_those_of_a_plain_implementation(kind, per_row):
    draw = random.Random(3)
    for _ in range(20):
        examples = drawn_examples(draw, 6)
        inputs, opening = batch_of(examples, draw, per_row)
        torch.testing.assert_close(loss_weights(inputs, *kind, opening), torch.tensor(plain_weights(examples, kind)))


def test_answers_are_runs_of_supervised_tokens():
    labels = torch.full((3, 8), IGNORED)
    labels[0, [1, 2, 5, 6]] = 1
    labels[1] = 1  # a row whose prompt is supervised, too; its first token is no target
    labels[2, 7] = 1
    assert supervised_answers({"labels": labels}).tolist() == [0, 0, 1, 1, *[2] * 7, 3]
    positions = torch.tensor([[*range(4), *range(4)]] * 3)
    packed = supervised_answers({"labels": labels, "position_ids": positions})
    assert packed.tolist() == [0, 0, 1, 1, *[2] * 3, *[3] * 4, 4]
    labels[:] = IGNORED
    assert supervised_answers({"labels": labels}).numel() == 0


@pytest.mark.parametrize(
    ("n", "o", "high", "low"),
    [
        (20, 4, 2.5, 0.625),
        (200, 4, MOST, (200 - 4 * MOST) / 196),
        (8, 4, 1, 1),
        (6, 5, 1, 1),  # most of it is the opening
        (3, 3, 1, 1),
        (5, 0, 1, 1),  # no context
    ],
)
def test_opening_and_rest_share_an_answers_weight(n, o, high, low):
    found = opening_weights(torch.zeros(n, dtype=torch.long), torch.arange(n) < o)
    torch.testing.assert_close(found, torch.tensor([float(high)] * o + [float(low)] * (n - o)))
    assert found.sum() == pytest.approx(n)

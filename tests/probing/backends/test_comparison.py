"""Whole answers are compared: rounding is told from faults."""

import pytest
import torch
from transformers import LlamaConfig

from in2_plugin.probing.backends.comparison import AnswerComparison, below_likeliest, chosen_for_comparison
from in2_plugin.probing.backends.shared_context import Decoding
from tests.support.tiny_lm import SHAPE, random_model

CONTEXT, TAILS = list(range(10, 60)), [[3, 4, 5], [6], [7, 8], [9, 10]]


@pytest.fixture(scope="module")
def model():
    return random_model(LlamaConfig(**SHAPE))


def greedy(model, prompt: list[int], decoding: Decoding) -> list[int]:
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=decoding.max_new_tokens,
        eos_token_id=None, pad_token_id=0, repetition_penalty=decoding.repetition_penalty,
    )  # fmt: skip
    return out[0, len(prompt) :].tolist()


def compare(model, answers: list[list[int]], decoding: Decoding) -> AnswerComparison:
    with torch.no_grad():
        first = [model(torch.tensor([[*CONTEXT, *tail]])).logits[0, -1] for tail in TAILS]
    comparison = AnswerComparison()
    processed = comparison.add_batch(model, CONTEXT, TAILS, answers, torch.stack(first), decoding)
    assert processed == sum(len(CONTEXT) + len(TAILS[i]) + len(answers[i]) - 1 for i in chosen_for_comparison(answers))
    return comparison


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_the_models_own_answers_agree(model, penalty):
    decoding = Decoding(9, frozenset(), penalty)
    comparison = compare(model, [greedy(model, [*CONTEXT, *tail], decoding) for tail in TAILS], decoding)
    assert comparison.is_done and comparison.fault is None
    assert str(comparison) == "compared 3 whole answers with those without a shared cache: all equal"


@pytest.mark.parametrize("at", [1, 2, 8])
def test_a_fault_after_the_first_token_is_found(model, at):
    decoding = Decoding(9, frozenset())
    answers = [greedy(model, [*CONTEXT, *tail], decoding) for tail in TAILS]
    answers[-1][at] = 1_000
    assert f"token {at + 1} of an answer is not the likeliest one" in compare(model, answers, decoding).fault


def test_a_nearly_equal_token_is_counted(model):
    """In bfloat16 the second likeliest token of a random model is close enough."""
    decoding = Decoding(1, frozenset())
    answers = []
    for tail in TAILS:
        with torch.no_grad():
            row = model(torch.tensor([[*CONTEXT, *tail]])).logits[0, -1]
        best, second = row.topk(2).indices.tolist()
        row[second] = row[best] - 0.001 * row.std()
        answers.append((row, [second]))
    comparison = AnswerComparison()
    for row, answer in answers:
        comparison._add(answer, row, row[None], torch.tensor([[*CONTEXT, 3]]), decoding)
    assert (comparison.answers, comparison.differing, comparison.fault) == (4, 4, None)
    assert str(comparison).endswith(": 4 differ, only where two tokens are nearly equally likely")
    assert not comparison.is_done  # one token says nothing about decoding


def test_the_last_question_and_the_longest_answers_are_compared():
    assert chosen_for_comparison([[1], [1, 2, 3], [1, 2], [1], [1]]) == [1, 2, 4]
    assert chosen_for_comparison([[1]]) == [0]


def test_the_distance_is_in_standard_deviations():
    row = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    assert below_likeliest([3], row) == [0.0]
    assert below_likeliest([1], row) == pytest.approx([2 / row.std().item()])

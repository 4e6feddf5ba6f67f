"""Losses of answer tokens under each objective, compared with sums written out outcome by outcome."""

import math

import pytest
import torch

from in2_plugin.teaching.likeliest import LEAST
from in2_plugin.training.answer_logits import IGNORED, ROWS, token_losses
from in2_plugin.training.distillation.divergence import (
    LikeliestTokens,
    answer_token_loss,
    likeliest,
    token_divergences,
)
from in2_plugin.training.options import DistillOptions
from tests.support.plain_loss import plain_divergence, plain_teacher

N, VOCABULARY = ROWS + 7, 31


@pytest.fixture
def logits():
    """Those of a model and of its teacher, (N, VOCABULARY)."""
    generator = torch.Generator().manual_seed(3)
    of_model, of_teacher = (3 * torch.randn(N, VOCABULARY, generator=generator) for _ in range(2))
    return of_model.requires_grad_(), of_teacher


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("k", [None, 1, 5])
def test_divergence_and_gradient_equal_those_of_a_plain_sum(logits, k, temperature):
    of_model, of_teacher = logits
    teacher = of_teacher if k is None else likeliest(of_teacher, k)
    found = token_divergences(of_model, teacher, temperature)
    (gradient,) = torch.autograd.grad(found.sum(), of_model)
    plain = of_model.detach().double().requires_grad_()
    expected = plain_divergence(plain, plain_teacher(of_teacher.double(), k), temperature)
    (plain_gradient,) = torch.autograd.grad(expected.sum(), plain)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient.double(), plain_gradient, rtol=1e-5, atol=1e-6)


def test_fewer_tokens_of_a_teacher_are_its_likeliest(logits):
    few, first = likeliest(logits[1], 3), likeliest(logits[1], 8).first(3)
    assert torch.equal(few.ids, first.ids)
    torch.testing.assert_close(few.logprobs, first.logprobs)


@pytest.mark.parametrize("k", [None, 4])
def test_a_model_like_its_teacher_has_neither_loss_nor_gradient(logits, k):
    of_model = logits[0]
    teacher = of_model.detach() if k is None else likeliest(of_model.detach(), k)
    found = token_divergences(of_model, teacher, 1.0)
    (gradient,) = torch.autograd.grad(found.sum(), of_model)
    assert found.abs().max() < 1e-5 and gradient.abs().max() < 1e-5


def test_stored_tokens_that_have_all_probability_leave_nothing_to_the_rest():
    """Stored in float16, the sum of the K is rounded to 1, also from above."""
    logprobs = torch.tensor([[0.0, -20.0, LEAST], [1e-7, -9.0, -40.0]])
    teacher = LikeliestTokens(torch.tensor([[2, 0]] * 2), logprobs)
    of_model = torch.tensor([[0.0, 1.0, 40.0, -40.0]] * 2, requires_grad=True)
    found = token_divergences(of_model, teacher, 1.0)
    (gradient,) = torch.autograd.grad(found.sum(), of_model)
    assert found.abs().max() < 0.01 and gradient.isfinite().all()


def test_gradients_stay_finite_where_the_model_is_certain():
    """1 - sum of the K would be 0 in float32, and its logarithm infinite."""
    teacher = LikeliestTokens(torch.tensor([[0]]), torch.tensor([[math.log(0.5)] * 2]))
    of_model = torch.tensor([[60.0, 0.0, 0.0]], requires_grad=True)
    found = token_divergences(of_model, teacher, 1.0)
    found.sum().backward()
    assert found.item() == pytest.approx(0.5 * (60 - math.log(2)) - math.log(2), rel=1e-5)
    assert of_model.grad[0].tolist() == pytest.approx([0.5, -0.25, -0.25], rel=1e-5)


@pytest.fixture
def batch(logits):
    """Two rows with IGNORED positions between their answers."""
    supervised = torch.arange(2 * 200).view(2, 200) % 3 == 0
    targets = torch.where(supervised, torch.arange(400).view(2, 200) % VOCABULARY, IGNORED)
    generator = torch.Generator().manual_seed(4)
    of_model = torch.randn(2, 200, VOCABULARY, generator=generator).requires_grad_()
    return of_model, targets, logits[1][: int(supervised.sum())]


def test_both_adds_the_weighted_divergence_to_the_cross_entropy(batch):
    of_model, targets, teacher = batch
    options = DistillOptions(weight=0.5)
    found = answer_token_loss(of_model, targets, "both", options, teacher)
    divergences = token_divergences(of_model[targets != IGNORED], teacher, 1.0)
    assert torch.equal(found.trained, token_losses(of_model, targets) + 0.5 * divergences)
    assert torch.equal(found.divergence, divergences)


def test_distillation_alone_does_not_train_on_the_answer(batch):
    of_model, targets, teacher = batch
    found = answer_token_loss(of_model, targets, "distill", DistillOptions(), teacher)
    assert found.trained is found.divergence and not found.answer.requires_grad
    assert torch.equal(found.answer, token_losses(of_model, targets))


def test_the_answer_alone_is_its_cross_entropy(batch):
    of_model, targets, _ = batch
    found = answer_token_loss(of_model, targets, "answer", DistillOptions(), None)
    assert torch.equal(found.trained, token_losses(of_model, targets)) and found.divergence is None


def test_a_batch_without_answers():
    targets = torch.full((1, 3), IGNORED)
    found = answer_token_loss(torch.zeros(1, 3, VOCABULARY), targets, "both", DistillOptions(),
                              torch.zeros(0, VOCABULARY))  # fmt: skip
    assert found.trained.shape == (0,)

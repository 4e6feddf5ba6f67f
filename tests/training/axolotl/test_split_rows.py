"""Under DeepSpeed's sequence parallelism every answer token of a step has the same weight."""

from types import SimpleNamespace

import pytest
import torch

from in2_plugin.training.axolotl.split_rows import SplitRowsLoss, summed_ranks

LABELS = torch.tensor([[-100, 5, 6, -100]])


def accelerator(sp_size=4, **zero):
    config = SimpleNamespace(sp_backend="deepspeed", sp_size=sp_size)
    plugin = SimpleNamespace(deepspeed_config={"zero_optimization": zero})
    return SimpleNamespace(parallelism_config=config, state=SimpleNamespace(deepspeed_plugin=plugin))


@pytest.mark.parametrize(
    ("zero", "ranks"), [({"stage": 3}, 1), ({"stage": 3, "reduce_scatter": False}, 4), ({"stage": 2}, 4), ({}, 4)]
)
def test_ranks_over_which_gradients_are_summed(zero, ranks):
    assert summed_ranks(accelerator(**zero)) == ranks


def test_runs_without_sequence_parallelism_are_not_changed():
    assert summed_ranks(SimpleNamespace(parallelism_config=None)) is None
    assert summed_ranks(accelerator(sp_size=1)) is None


@pytest.fixture
def trainer():
    """One of eight ranks, with a model whose loss is a weight times the number of labels over the count."""
    trainer = SplitRowsLoss.__new__(SplitRowsLoss)
    trainer.in2_summed_ranks = 4
    trainer.accelerator = SimpleNamespace(num_processes=8, gather=lambda count: torch.stack([count] * 8))
    return trainer


def test_count_is_the_sum_over_ranks_and_batches(trainer):
    batch = {"shift_labels": LABELS}
    assert trainer._get_num_items_in_batch([batch, batch], torch.device("cpu")) == 8 * 4
    assert trainer._get_num_items_in_batch([{"labels": LABELS}], torch.device("cpu")) is None
    assert trainer._get_num_items_in_batch([], torch.device("cpu")) is None


def test_loss_is_scaled_as_in_trainer_and_its_gradient_by_the_summed_ranks(trainer):
    weight = torch.tensor(3.0, requires_grad=True)

    def model(labels, shift_labels, num_items_in_batch):
        return {"loss": weight * (shift_labels != -100).sum() / num_items_in_batch}

    loss = trainer.compute_loss(model, {"shift_labels": LABELS}, num_items_in_batch=torch.tensor(16))
    loss.backward()
    assert loss.item() == pytest.approx(3 * 2 / 16 * 8)
    assert weight.grad.item() == pytest.approx(2 / 16 * 8 / 4)

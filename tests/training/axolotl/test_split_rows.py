"""Under DeepSpeed's sequence parallelism every answer token of a step has the same weight, and no epoch loses rows."""

from collections import deque
from itertools import islice
from types import SimpleNamespace

import pytest
import torch
import transformers.trainer
from accelerate import Accelerator
from accelerate.data_loader import DataLoaderShard
from torch.utils.data import Sampler

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


class ByEpoch(Sampler):
    """Four rows per epoch: 0 to 3, 10 to 13, 20 to 23."""

    epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        return iter(range(10 * self.epoch, 10 * self.epoch + 4))

    def __len__(self):
        return 4


class Adapter:
    """DeepSpeed's UlyssesSPDataLoaderAdapter for two ranks, without their communication."""

    def __init__(self, dl):
        self.dl, self.sp_world_size, self.iter, self.micro_batches = dl, 2, iter(dl), deque()

    def __iter__(self):
        return self

    def __next__(self):
        if not self.micro_batches:
            try:
                (row,) = next(self.iter).tolist()
            except StopIteration:
                self.iter = iter(self.dl)
                raise
            self.micro_batches.extend([f"{row}a", f"{row}b"])  # the rows of two ranks
        return self.micro_batches.popleft()


def run(monkeypatch, loader, epochs, skipped=0):
    """Return the micro-batches of each epoch, read in Trainer's way: as many as an epoch has, never one more."""
    seen = []

    def read(_, *, model, epoch, train_dataloader, skip):
        if skip:
            train_dataloader = transformers.trainer.skip_first_batches(train_dataloader, skip)
        seen.append(list(islice(iter(train_dataloader), 8 - skip)))

    monkeypatch.setattr(transformers.Trainer, "_run_epoch", read)
    for epoch in epochs:
        skip = skipped if epoch == epochs[0] else 0
        SplitRowsLoss._run_epoch(object.__new__(SplitRowsLoss), None, epoch, train_dataloader=loader, skip=skip)
    return seen


@pytest.fixture
def loader():
    Accelerator(cpu=True)
    return DataLoaderShard(range(100), batch_size=1, sampler=ByEpoch())


def test_every_epoch_has_every_row_once_in_its_own_order(monkeypatch, loader):
    for epoch, seen in enumerate(run(monkeypatch, Adapter(loader), [0, 1, 2])):
        assert seen == [f"{10 * epoch + row}{rank}" for row in range(4) for rank in "ab"]


@pytest.mark.parametrize("skipped", [1, 2, 5, 7])
def test_resumed_run_reads_the_rest_of_its_epoch_and_the_next_ones(monkeypatch, loader, skipped):
    whole = run(monkeypatch, Adapter(loader), [0, 1, 2])
    assert run(monkeypatch, Adapter(loader), [1, 2], skipped) == [whole[1][skipped:], whole[2]]


def test_other_loaders_are_read_as_they_are(monkeypatch, loader):
    assert len(run(monkeypatch, loader, [0])[0]) == 4

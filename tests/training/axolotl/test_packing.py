"""Packed rows and their order."""

import os

import numpy as np
import pytest
import torch

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

from axolotl.utils.samplers import multipack

from in2_plugin.training.axolotl.packing import PackedRows, packing_order

LENGTHS = np.random.default_rng(0).integers(100, 400, 60)


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
    """Pack without numba, which takes many seconds to compile; for 60 examples plain Python is as fast."""
    for name in ("pack_group", "ffd_check"):
        monkeypatch.setattr(multipack, name, getattr(multipack, name).py_func)


def packed(seed: int = 3, batch_size: int = 1) -> PackedRows:
    """Return rows of at most 1,000 tokens, as Axolotl packs them in a process with its own random state."""
    torch.seed()
    sampler = multipack.MultipackBatchSampler(
        packing_order(len(LENGTHS), seed), batch_size=batch_size, batch_max_len=1_000, lengths=LENGTHS, bin_size=200
    )
    len(sampler)  # as Axolotl does
    return PackedRows(sampler, seed)


def rows(sampler: PackedRows) -> list[list[int]]:
    return [row for batch in sampler for row in batch]


def test_every_example_comes_once_per_epoch():
    sampler = packed()
    for epoch in range(3):
        sampler.set_epoch(epoch)
        found = rows(sampler)
        assert len(found) == len(sampler)
        assert sorted(number for row in found for number in row) == list(range(60))
        assert all(LENGTHS[row].sum() <= 1_000 for row in found)


def test_rows_of_an_incomplete_batch_are_left_out_of_other_epochs():
    size = next(n for n in range(2, 9) if len(packed()) % n)
    sampler, seen = packed(batch_size=size), set()
    for epoch in range(5):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler) and all(len(batch) == size for batch in batches)
        numbers = [number for batch in batches for row in batch for number in row]
        assert len(set(numbers)) == len(numbers) < 60
        seen |= set(numbers)
    assert seen == set(range(60))


def test_order_depends_only_on_seed_and_epoch():
    one, other = packed(), packed()
    first = rows(one)
    assert first == rows(other)
    one.set_epoch(1)
    other.set_epoch(1)
    assert rows(one) == rows(other) != first
    assert sorted(rows(one)) == sorted(first)
    assert sorted(rows(packed(seed=4))) != sorted(first)

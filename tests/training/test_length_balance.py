"""Length-balanced order: complete, mixed, deterministic, and efficient."""

import numpy as np
import pytest

from in2_plugin.training.length_balance import BalancedSampler, Work, balanced_order, efficiency


def lengths(n=20_000, seed=0):
    """Return lengths like the paper's mixture: four fifths of 4K to 32K tokens, the rest short."""
    rng = np.random.default_rng(seed)
    long = rng.integers(4_096, 32_769, n)
    return np.where(rng.random(n) < 0.8, long, rng.integers(64, 4_096, n)).astype(np.uint32)


@pytest.mark.parametrize(("ranks", "micro_batch"), [(1, 1), (2, 3), (16, 1), (128, 1), (8, 4)])
def test_order_is_complete_and_efficient(ranks, micro_batch):
    found = lengths()
    order = balanced_order(found, ranks=ranks, micro_batch=micro_batch, seed=1, epoch=0)
    assert sorted(order.tolist()) == list(range(len(found)))
    random = np.random.default_rng(0).permutation(len(found))
    assert efficiency(found, order, ranks=ranks, micro_batch=micro_batch) >= 0.95
    if ranks * micro_batch > 1:
        assert efficiency(found, random, ranks=ranks, micro_batch=micro_batch) < 0.75


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 100])
def test_examples_that_do_not_fill_a_slot_are_kept(n):
    order = balanced_order(lengths(n), ranks=8, micro_batch=2, seed=1, epoch=0)
    assert sorted(order.tolist()) == list(range(n))


def test_order_depends_only_on_its_arguments():
    found = lengths(1_000)
    orders = {
        what: tuple(balanced_order(found, ranks=4, micro_batch=1, seed=seed, epoch=epoch).tolist())
        for what, seed, epoch in [("first", 1, 0), ("again", 1, 0), ("seed", 2, 0), ("epoch", 1, 1)]
    }
    assert orders["first"] == orders["again"]
    assert len(set(orders.values())) == 3


def test_slots_are_shuffled():
    """Check that the lengths of consecutive steps are independent: no curriculum from short to long."""
    found = lengths()
    order = balanced_order(found, ranks=16, micro_batch=1, seed=3, epoch=0)
    steps = found[order[: len(order) // 16 * 16].reshape(-1, 16)].mean(axis=1)
    assert abs(np.corrcoef(steps[:-1], steps[1:])[0, 1]) < 0.1
    assert abs(np.corrcoef(np.arange(len(steps)), steps)[0, 1]) < 0.1


def test_ranks_get_equal_mean_lengths():
    found = lengths()
    order = balanced_order(found, ranks=4, micro_batch=1, seed=3, epoch=0)
    each = found[order.reshape(-1, 4)].astype(float).mean(axis=0)
    assert each.max() / each.min() < 1.01


def test_efficiency_of_two_ranks_computed_by_hand():
    found, work = np.array([1, 3, 2, 2]), Work(1 / 8, 0, 0)  # time is the number of tokens
    assert efficiency(found, np.array([0, 1, 2, 3]), ranks=2, micro_batch=1, work=work) == 8 / 10
    assert efficiency(found, np.array([0, 2, 3, 1]), ranks=2, micro_batch=1, work=work) == 8 / 10
    assert efficiency(found, np.array([2, 3, 0, 1]), ranks=1, micro_batch=2, work=work) == 8 / 10


def test_sampler_order_changes_with_the_epoch():
    sampler = BalancedSampler(lengths(100), ranks=2, micro_batch=2, seed=5)
    first = list(sampler)
    assert len(sampler) == 100 and list(sampler) == first and all(type(i) is int for i in first)
    sampler.set_epoch(1)
    assert list(sampler) != first

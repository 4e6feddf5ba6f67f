import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from in2_plugin.errors import NotEnoughSegments
from in2_plugin.examples.fillers import FillerPool, fill, target_length

NONE: frozenset[int] = frozenset()


def pool_of(lengths, documents=None) -> FillerPool:
    n = np.array(lengths, np.uint32)
    document = np.array(documents if documents is not None else range(len(n)), np.uint32)
    return FillerPool.of(np.ones(len(n), bool), n, document, range(len(n)))


def nobody(_: int) -> bool:
    return False


def test_lengths_cover_both_ends_evenly():
    rng = np.random.default_rng(0)
    counts = np.bincount([target_length(3, 10, 14, rng.random()) for _ in range(5_000)])[10:]
    # chi-square with 4 degrees of freedom: 18.5 is the 99.9th percentile
    assert len(counts) == 5 and ((counts - 1_000) ** 2 / 1_000).sum() < 18.5


def test_a_target_is_never_below_the_need():
    rng = np.random.default_rng(0)
    assert {target_length(13, 10, 14, rng.random()) for _ in range(200)} == {13, 14}


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6_000))
def test_fillers_fit_are_unique_and_come_from_other_documents(seed, budget):
    rng = np.random.default_rng(seed)
    pool = pool_of(rng.integers(20, 60, size=300), rng.integers(0, 40, size=300))
    length, document = dict(zip(pool.ids, pool.n_tokens, strict=True)), dict(zip(pool.ids, pool.document, strict=True))
    chosen = fill(pool, budget, frozenset({7, 8}), lambda segment: segment % 11 == 0, rng)
    assert sum(int(length[i]) for i in chosen) <= budget
    assert len(set(chosen)) == len(chosen)
    assert all(document[i] not in (7, 8) and i % 11 != 0 for i in chosen)


def test_budgets_are_met_exactly_if_segment_lengths_allow():
    rng = np.random.default_rng(0)
    pool = pool_of(rng.integers(128, 256, size=4_000))
    length = dict(zip(pool.ids, pool.n_tokens, strict=True))
    misses = [
        budget - sum(int(length[i]) for i in fill(pool, budget, NONE, nobody, rng))
        for budget in rng.integers(2_000, 9_000, size=200).tolist()
    ]
    assert max(misses) <= 8  # between the longest segment and two of the shortest nothing fits exactly
    assert np.mean(np.array(misses) == 0) > 0.9


def test_a_large_pool_is_sampled_without_a_permutation():
    rng = np.random.default_rng(0)
    pool = pool_of(rng.integers(20, 60, size=50_000))
    chosen = fill(pool, 5_000, NONE, nobody, rng)
    assert len(set(chosen)) == len(chosen)
    assert min(chosen) < 15_000 < 35_000 < max(chosen)


def test_filling_copies_no_column_of_a_large_pool():
    rng = np.random.default_rng(0)
    pool = pool_of(rng.integers(20, 60, size=1 << 20))
    tracemalloc.start()
    try:
        fill(pool, 5_000, NONE, nobody, rng)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < pool.n_tokens.nbytes / 4


def test_an_exhausted_pool_is_an_error():
    with pytest.raises(NotEnoughSegments, match="needs 1,000 tokens of filler, but the corpus has only 90"):
        fill(pool_of([30, 30, 30]), 1_000, NONE, nobody, np.random.default_rng(0))


def test_an_empty_budget_needs_no_filler():
    assert fill(pool_of([30, 30]), 10, NONE, nobody, np.random.default_rng(0)) == []


def test_a_mapped_pool_equals_the_written_one(tmp_path):
    pool = pool_of([5, 3, 9, 3, 7], [0, 0, 1, 2, 2])
    pool.write(tmp_path / "pool.arrow", "of this")
    mapped = FillerPool.open(tmp_path / "pool.arrow")
    for name in ("ids", "n_tokens", "document"):
        column = getattr(mapped, name)
        assert column.tolist() == getattr(pool, name).tolist()
        assert column.dtype == np.uint32 and not column.flags.owndata
    assert mapped.ids.tolist() == [1, 3, 0, 4, 2]


@pytest.mark.parametrize(("segments", "sampled"), [(0, 0), (63, 63), (64, 64), (65, 9), (6_400, 8)])
def test_a_sample_is_bounded_and_evenly_spaced(segments, sampled):
    sample = pool_of(range(1, segments + 1)).sample(64)
    assert len(sample.ids) == len(sample.n_tokens) == len(sample.document) == sampled
    if segments == 6_400:
        assert sample.n_tokens.tolist() == list(range(1, 6_400, 800))

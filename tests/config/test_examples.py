from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.config import PARTS, Mixture, Positions


def test_without_a_total_the_counts_are_used_as_given():
    assert Mixture(fine_grained=7, integration=3, short_context=2).counts() == {
        "fine_grained": 7, "integration": 3, "short_context": 2, "general": 0,
    }  # fmt: skip


def test_the_papers_mixture_scaled_to_its_one_percent_run():
    paper = {"fine_grained": 1_100_000, "integration": 300_000, "short_context": 150_000, "general": 200_000}
    assert list(Mixture(**paper, total=17_500).counts().values()) == [11_000, 3_000, 1_500, 2_000]


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any), st.integers(1, 10_000))
def test_scaled_counts_sum_to_the_total_and_round_by_less_than_one(shares, total):
    counts = list(Mixture(**dict(zip(PARTS, shares, strict=True)), total=total).counts().values())
    assert sum(counts) == total
    assert all(abs(count - total * share / sum(shares)) < 1 for count, share in zip(counts, shares, strict=True))


def test_a_uniform_strategy_has_one_range():
    assert Positions().histogram == (1.0,)
    assert Positions(strategy="histogram", weights=(1, 3)).histogram == (1, 3)

"""The order of questions: each occurs once, and every prefix covers the positions evenly."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.probing.probes.order import bit_reversed, evenly_spread, question_order


def test_bit_reversed_by_hand():
    assert bit_reversed(8) == [0, 4, 2, 6, 1, 5, 3, 7]
    assert bit_reversed(1) == [0]
    assert bit_reversed(8, "1") == [7, 3, 5, 1, 6, 2, 4, 0]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_every_question_occurs_once(questions):
    assert sorted(question_order(questions)) == [(s, q) for s, n in enumerate(questions) for q in range(n)]


@given(st.integers(16, 900), st.integers(1, 3_200), st.integers(1, 9))
def test_every_prefix_covers_all_quarters_and_sets(n, limit, n_sets):
    """Quarters differ by at most two questions per set, and sets by at most one."""
    asked = question_order([n] * n_sets)[:limit]
    sets = Counter(s for s, _ in asked)
    quarters = Counter(q * 4 // n for _, q in asked)
    counted = [quarters[i] for i in range(4)]
    assert max(sets.values()) - min(sets[i] for i in range(n_sets)) <= 1
    # alternating gives a difference of one; an item on the border between two quarters adds another
    assert max(counted) - min(counted) <= 2 * n_sets


def test_the_papers_sizes_are_covered_exactly():
    """With 4 sets of 800, the first 16 questions are in 16 spans, and the first 64 four times in each."""
    asked = question_order([800] * 4)
    for limit, each in ((16, 1), (32, 2), (64, 4)):
        assert set(Counter(q // 50 for _, q in asked[:limit]).values()) == {each}
        assert len({q // 50 for _, q in asked[:limit]}) == 16


@given(st.integers(1, 900), st.data())
def test_evenly_spread_is_ascending_and_even(available, data):
    wanted = data.draw(st.integers(1, available))
    chosen = evenly_spread(available, wanted)
    gaps = [later - earlier for earlier, later in zip([-1, *chosen], [*chosen, available], strict=True)][1:-1]
    assert chosen == sorted(set(chosen)) and len(chosen) == wanted and chosen[-1] < available
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_evenly_spread_takes_all_or_the_middle():
    assert evenly_spread(5, 5) == [0, 1, 2, 3, 4]
    assert evenly_spread(5, 1) == [2]
    assert evenly_spread(800, 16) == list(range(25, 800, 50))

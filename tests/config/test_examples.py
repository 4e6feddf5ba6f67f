import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.config import PARTS, Mixture, Positions


def test_without_a_total_the_counts_are_used_as_given():
    assert Mixture(fine_grained=7, integration=3, short_context=2).counts() == {
        "fine_grained": 7, "integration": 3, "short_context": 2, "general": 0, "records": 0,
    }  # fmt: skip


def test_the_papers_mixture_scaled_to_its_one_percent_run():
    paper = {"fine_grained": 1_100_000, "integration": 300_000, "short_context": 150_000, "general": 200_000}
    assert list(Mixture(**paper, total=17_500).counts().values()) == [11_000, 3_000, 1_500, 2_000, 0]


def test_records_are_a_share_of_the_total_and_absent_from_build_json_without_any():
    mixture = Mixture(fine_grained=2, integration=1, short_context=0, records=1, total=400)
    assert mixture.counts()["records"] == 100
    assert mixture.parts[-1] == "records"
    assert mixture.model_dump()["records"] == 1
    assert "records" not in Mixture().model_dump()
    assert "records" not in Mixture().parts


def test_the_corpus_is_read_unless_all_questions_are_about_records():
    none = {"fine_grained": 0, "integration": 0, "short_context": 0}
    assert not Mixture(**none, records=5).reads_corpus
    assert not Mixture(**none, records=5, general=5).reads_corpus
    assert Mixture(**none, general=5).reads_corpus  # as before there were records
    assert Mixture(records=5).reads_corpus


def test_more_records_than_the_pool_gives_are_refused():
    assert Mixture(records=300_000, total=1_000).counts()["records"] < 1_000
    with pytest.raises(ValueError, match="`records` asks for 300,000 questions; set at most 200,000"):
        Mixture(records=300_000)


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5).filter(any), st.integers(1, 10_000))
def test_scaled_counts_sum_to_the_total_and_round_by_less_than_one(shares, total):
    counts = list(Mixture(**dict(zip(PARTS, shares, strict=True)), total=total).counts().values())
    assert sum(counts) == total
    assert all(abs(count - total * share / sum(shares)) < 1 for count, share in zip(counts, shares, strict=True))


@pytest.mark.parametrize(
    ("strategy", "n_segments", "places"),
    [
        ("stratified", 3, [[0, 1, 2]]),
        ("edges", 1, [[0], [0]]),
        ("edges", 3, [[0], [2]]),
        ("edges", 10, [[0], [9]]),
        ("edges", 14, [[0], [13]]),
        ("edges", 15, [[0, 1], [13, 14]]),
        ("middle", 2, [[1]]),
        ("middle", 5, [[2]]),
        ("middle", 10, [[4, 5]]),
        ("middle", 15, [[6, 7, 8]]),
    ],
)
def test_the_places_of_a_range_have_their_middle_in_it(strategy, n_segments, places):
    positions = Positions(strategy=strategy)
    assert [list(found) for found in positions.places(n_segments)] == places
    assert positions.capacity(n_segments) == len({place for found in places for place in found})


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=8).filter(any).map(tuple),
    st.integers(1, 60),
)
def test_every_range_has_places_in_every_context(weights, n_segments):
    positions = Positions(strategy="histogram", weights=weights)
    for (start, stop), places in zip(positions.ranges, positions.places(n_segments), strict=True):
        assert all(weight > 0 for weight in weights[start:stop])
        assert 0 <= places[0] <= places[-1] < n_segments
    assert sum(stop - start for start, stop in positions.ranges) == sum(weight > 0 for weight in weights)


def test_a_uniform_strategy_has_one_range():
    assert Positions().histogram == (1.0,)
    assert Positions(strategy="histogram", weights=(1, 3)).histogram == (1, 3)

"""Check the lengths and counts of planned data."""

import pytest

from in2_plugin.recipe.planning.assumed_data import planned_data
from tests.support.small_build import small_build


@pytest.mark.parametrize("turns", [1, 4])
def test_several_questions_a_context_are_fewer_examples(turns):
    data = planned_data(small_build(questions_per_context=turns))
    assert data.long == 1_100 // turns
    assert data.answers().max() == 512 * turns


def test_planned_lengths_are_uniform_between_the_bounds():
    data = planned_data(small_build(lengths={"min": 1_000, "max": 3_000}))
    lengths = data.lengths()
    assert (lengths.min(), lengths.max()) == (1_000, 3_000)
    assert lengths.mean() == pytest.approx(2_000, rel=0.01)
    assert data.tokens == pytest.approx(1_100 * 2_000, rel=0.01)

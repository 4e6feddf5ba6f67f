"""Every question is at every depth once, and every context asks every question."""

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.position.latin_square import latin_square, question_blocks


@pytest.mark.parametrize(("n_questions", "n_depths"), [(10, 10), (30, 10), (7, 5), (3, 5), (1, 1)])
def test_every_question_is_at_every_depth_once(n_questions: int, n_depths: int) -> None:
    square = latin_square(n_questions, n_depths)
    for question in range(n_questions):
        depths = [next(d for d, there in enumerate(context) if question in there) for context in square]
        assert sorted(depths) == list(range(n_depths))


def test_every_context_has_the_same_number_of_golds_at_every_depth() -> None:
    for context in latin_square(15, 5):
        assert [len(there) for there in context] == [3] * 5
        assert sorted(question for there in context for question in there) == list(range(15))


def test_question_q_is_at_depth_q_plus_r() -> None:
    square = latin_square(6, 3)
    assert square[0] == ((0, 3), (1, 4), (2, 5))
    assert square[1] == ((2, 5), (0, 3), (1, 4))


def test_blocks_cover_all_questions_in_order() -> None:
    assert [list(block) for block in question_blocks(5, 2, 1)] == [[0, 1], [2, 3], [4]]
    assert list(question_blocks(0, 2, 1)) == []


def test_no_depths_are_an_error() -> None:
    with pytest.raises(ProbeError, match="0 depths"):
        latin_square(3, 0)
    with pytest.raises(ProbeError, match="ask at least one"):
        question_blocks(3, 2, 0)

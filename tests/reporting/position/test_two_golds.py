import pytest

from in2_plugin.probing.position.scores import PositionScores, ScoredAnswer
from in2_plugin.reporting.position.two_golds import map_cells, two_golds


def answer(first, second, score, question=0, length=4096):
    return ScoredAnswer(question, length, 0, "integration", (first, second), score, score)


def test_scores_by_both_depths_and_by_distance():
    answers = (answer(0.1, 0.9, 1.0), answer(0.1, 0.95, 0.0, 1), answer(0.5, 0.55, 0.5, 2), answer(0.1, 0.9, 0.0, 3, 8))
    found = two_golds(PositionScores("d", 10, None, answers), 4096)
    assert found.by_depths[0][4] == pytest.approx(0.5)
    assert found.by_depths[2] == (None, None, 0.5, None, None)
    assert found.by_distance == (0.5, None, None, None, pytest.approx(0.5))
    assert (found.answers, found.average) == (3, pytest.approx(0.5))
    cells = {(cell.x, cell.y): cell for cell in map_cells(found)}
    assert len(cells) == 25
    assert [cell.text for cell in cells.values() if cell.text] == ["50", "50"]


def test_questions_with_one_gold_have_no_map():
    one = ScoredAnswer(0, 4096, 0, "fine_grained", (0.5,), 1.0, 1.0)
    assert two_golds(PositionScores("d", 10, None, (one,)), 4096) is None

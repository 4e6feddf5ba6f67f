import pytest

from in2_plugin.inspection.page.drawing import CELL, HEIGHT, WIDTH, heat_map, histogram, part_bars


def test_bars_stand_on_the_axis_and_the_highest_fills_the_plot():
    drawn = histogram("Depth", "share", {"edges": [0, 0.5, 1], "counts": [10, 5]}, "%", True)
    first, second = drawn.bars
    assert (first.y, first.height) == (0, HEIGHT)
    assert (second.y, second.height) == (HEIGHT / 2, HEIGHT / 2)
    assert second.x + second.width < WIDTH
    assert drawn.most == 10
    assert drawn.expected == HEIGHT * (1 - 7.5 / 10)
    assert first.title == "0% to 50%: 10"
    assert drawn.labels == ((0, "0%"), (WIDTH / 2, "50%"), (WIDTH, "100%"))


def test_an_empty_histogram_is_flat():
    drawn = histogram("Length", "tokens", {"edges": [512, 1_024.5, 2_049], "counts": [0, 0]}, "tokens", True)
    assert [bar.height for bar in drawn.bars] == [0, 0]
    assert drawn.expected is None
    assert drawn.labels[1] == (WIDTH / 2, "1,024")


def test_no_line_where_bars_are_not_meant_to_be_equal():
    assert histogram("Answers", "", {"edges": [1, 2], "counts": [3]}, "tokens", False).expected is None


def test_cells_are_shaded_by_their_row():
    cells, rows = heat_map({"lengths": [[512, 1_023], [1_024, 2_047]], "counts": [[1] * 10, [0] * 9 + [100]]})
    assert rows == ["512–1,023", "1,024–2,047"]
    assert {cell.shade for cell in cells[:10]} == {0.5}
    assert [cell.shade for cell in cells[10:]] == [0] * 9 + [1]
    assert (cells[19].x, cells[19].y, cells[19].is_dark) == (9 * CELL[0], CELL[1], True)
    assert cells[19].title == "1,024 to 2,047 tokens, depth 90% to 100%: 100 golds"


def test_a_row_without_golds_is_white():
    cells, _ = heat_map({"lengths": [[1, 2]], "counts": [[0] * 10]})
    assert {cell.shade for cell in cells} == {0}


def test_parts_have_their_shares_and_those_asked_for():
    parts = [
        {"part": "fine_grained", "have": 30, "asked": 60},
        {"part": "integration", "have": 10, "asked": 0},
        {"part": "general", "have": 0, "asked": 0},
    ]
    assert part_bars(parts) == [
        {"name": "fine-grained", "count": 30, "share": 75, "asked": 100},
        {"name": "integration", "count": 10, "share": 25, "asked": 0},
    ]
    assert part_bars([{"part": "general", "have": 0, "asked": 5}])[0]["share"] == pytest.approx(0)

import pytest

from in2_plugin.inspection.page.drawing import HEIGHT, MIDDLE_FIFTH, WIDTH, heat_map, histogram, part_bars


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
    (first, even), (second, last) = heat_map(
        {"lengths": [[512, 1_023], [1_024, 2_047]], "counts": [[1] * 10, [0] * 9 + [100]]}
    )
    assert (first, second) == ("512–1,023", "1,024–2,047")
    assert {cell.shade for cell in even} == {0.5}
    assert [cell.shade for cell in last] == [0] * 9 + [1]
    assert (last[9].text, last[9].is_dark, even[0].is_dark) == ("100", True, False)
    assert last[9].title == "1,024 to 2,047 tokens, depth 90% to 100%: 100 golds"


def test_counts_in_cells_have_at_most_four_characters():
    counts = [0, 9_999, 10_000, 99_499, 999_499, 999_500, 1_234_567]
    ((_, cells),) = heat_map({"lengths": [[1, 2]], "counts": [counts]})
    assert [cell.text for cell in cells] == ["0", "9999", "10k", "99k", "999k", "1.0M", "1.2M"]
    assert cells[-1].title.endswith(": 1,234,567 golds")


def test_a_range_of_a_histogram_can_be_shaded():
    data = {"edges": [0, 0.5, 1], "counts": [10, 5]}
    assert histogram("Depth", "share", data, "%", True).shaded is None
    assert histogram("Depth", "share", data, "%", True, MIDDLE_FIFTH).shaded == (0.4 * WIDTH, 0.2 * WIDTH)


def test_a_row_without_golds_is_white():
    ((_, cells),) = heat_map({"lengths": [[1, 2]], "counts": [[0] * 10]})
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

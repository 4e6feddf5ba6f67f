import re

import pytest

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.plots.depth import CURVES, ROW, WIDTH, depth_plot, heat_colour, length_colours
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made


def plots(rich, task="code", results=slice(None)):
    model = rich.models[1]
    return depth_plot(rich, model, model.of_family("", task)[results], "#123456")


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_heat_map_has_one_row_per_length_and_one_cell_per_span(rich):
    plot = plots(rich)
    assert [label for label, _ in plot.rows] == ["4K", "8K", "32K"]
    assert len(plot.cells) == 3 * 16
    assert plot.height == CURVES + 8 + 3 * ROW
    assert (plot.cells[16].x, plot.cells[16].y) == (0, CURVES + 8 + ROW)
    assert plot.cells[15].x + plot.cells[15].width == pytest.approx(WIDTH)


def test_each_cell_shows_its_score(rich):
    plot, result = plots(rich), rich.models[1].of_family("", "code")[0]
    assert [cell.text for cell in plot.cells[:16]] == [f"{100 * value:.0f}" for value in result.spans]
    assert plot.cells[0].title == f"4K, depth 3%: {100 * result.spans[0]:.1f}%"


def test_each_length_has_a_line_in_the_colour_of_its_row(rich):
    plot = plots(rich)
    assert [line.label for line in plot.lines] == ["4K", "8K", "32K"]
    assert [line.colour for line in plot.lines] == [colour for _, colour in plot.rows]
    assert all(len(line.points) == 1 and line.points[0].count(",") == 16 for line in plot.lines)
    assert all(line.band == () for line in plot.lines)


def test_a_single_length_shows_its_interval_and_numbers(rich):
    plot = plots(rich, results=slice(1))
    (line,) = plot.lines
    assert (plot.rows, plot.cells, plot.height) == ((), (), CURVES)
    assert line.colour == "#123456"
    assert line.band[0].count(",") == 2 * 16
    assert re.fullmatch(r"Ends − middle [+-]\d+\.\d · Avg \d+\.\d", plot.numbers)


def test_points_are_inside_the_plot(rich):
    for line in plots(rich).lines:
        for point in line.points[0].split():
            x, y = map(float, point.split(","))
            assert 0 < x < WIDTH
            assert 0 <= y <= CURVES


def test_spans_without_scores_break_lines_and_are_empty_cells(tmp_path):
    spans = [None, 0.5, None, *[0.25] * 12, None]
    for length in (4096, 8192):
        made.write(tmp_path, made.content("m", {"code": spans}, probe_length=length), f"x{length}")
    comparison = compare(read_models([tmp_path]))
    (model,) = comparison.models
    plot = depth_plot(comparison, model, model.of_family("", "code"), "#123456")
    assert plot.lines[0].dots == ((30.0, CURVES / 2),)
    assert len(plot.lines[0].points) == 1
    assert (plot.cells[0].text, plot.cells[0].colour, plot.cells[0].title) == ("", "", "4K, depth 3%: not scored")


def test_more_spans_make_a_wider_plot(tmp_path):
    value = made.content("m", {})
    made.add(value, "val_probe_code", made.drawn_sets([0.5], 200, 1), spans=32)
    made.write(tmp_path, value)
    comparison = compare(read_models([tmp_path]))
    (model,) = comparison.models
    assert depth_plot(comparison, model, model.of_family("", "code"), "#123456").width == 2 * WIDTH


def test_colours_are_ordered_by_lightness():
    heat = [luminance(heat_colour(i / 20)[0]) for i in range(21)]
    assert heat == sorted(heat)
    lengths = [luminance(colour) for colour in length_colours(6)]
    assert lengths == sorted(lengths, reverse=True)


def test_text_on_cells_has_enough_contrast():
    for i in range(101):
        colour, is_dark = heat_colour(i / 100)
        bright, dim = sorted((luminance(colour), 1.0 if is_dark else 0.0), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5


def test_the_plot_has_a_description(rich):
    description = plots(rich, "document").description
    assert description.startswith("FILM, Document probe, score by depth of the answer. 4K: average ")
    assert description.count("gap") == 3

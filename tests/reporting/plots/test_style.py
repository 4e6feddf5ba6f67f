import re
import sys
from itertools import pairwise

import pytest

from in2_plugin.errors import MissingExtra
from in2_plugin.reporting.plots.style import (
    MARKERS,
    STYLES,
    LineEnd,
    as_svg,
    end_labels,
    frame,
    label_points,
    line_width,
    require_matplotlib,
    settings,
    styles,
)


def test_models_differ_in_colour_marker_glyph_and_dash():
    for part in ("colour", "marker", "glyph", "dash"):
        assert len({getattr(style, part) for style in STYLES}) == len(STYLES)


def test_a_single_model_has_the_style_of_after():
    assert styles(1) == (STYLES[1],)
    assert styles(2) == STYLES[:2]


def test_many_models_reuse_colours_with_numbers():
    many = styles(12)
    assert [style.glyph for style in many] == [str(i) for i in range(1, 13)]
    assert len({style.marker for style in many}) == 12
    assert many[0].colour == many[6].colour


def test_every_marker_exists_in_matplotlib():
    from matplotlib.markers import MarkerStyle

    assert set(MARKERS) <= set(MarkerStyle.markers)


def test_the_error_without_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"in2-plugin\[report\]"):
        require_matplotlib()


def test_each_svg_has_its_own_ids():
    from matplotlib.figure import Figure

    with settings("x"):
        figure = Figure()
        axes = figure.add_axes((0.1, 0.1, 0.5, 0.5))
        frame(axes, "Title", "Below", "Across")
        end_labels(axes, [LineEnd(50, "one", "#000000"), LineEnd(50, "two", "#000000")], 200)
        svg = as_svg(figure, "name")
    assert 'aria-labelledby="caption-name"' in svg
    assert set(re.findall(r'\bid="([^"-]+)-', svg)) == {"name"}
    for text in ("Title", "Below", "Across", "one", "two"):
        assert f">{text}<" in svg


def test_multi_line_labels_get_more_space():
    assert label_points(["short", "a label that takes more than one line"]) > 2 * label_points(["short"])


def test_earlier_lines_are_wider():
    for count in (1, 2, 6):
        widths = [line_width(order, count) for order in range(count)]
        assert widths[-1] == 1.8 and widths[0] < 7
        assert all(first > second for first, second in pairwise(widths))

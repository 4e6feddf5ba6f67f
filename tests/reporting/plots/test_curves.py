import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.plots.curves import curves_png, describe, panel_svg, shown_tasks
from in2_plugin.reporting.plots.style import SHADES
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made


def texts(svg):
    return " ".join("".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter() if node.text)


def test_a_panel_has_its_numbers_labels_and_references(comparison):
    shown = texts(panel_svg("document", comparison))
    for text in ("Ends − middle +9.7 → +2.5", "Avg 74.2 → 85.4", "Base", "FILM", "Mistral, paper", "FILM, paper"):
        assert text in shown
    assert "echo only 37.7" in shown
    assert "any other 12.0" in shown


def test_only_the_document_panel_has_baselines(comparison):
    assert "echo only" not in panel_svg("code", comparison)


@pytest.mark.parametrize("task", ["document", "code", "database"])
def test_equal_results_give_equal_bytes(rich, task):
    assert panel_svg(task, rich) == panel_svg(task, rich)


def test_the_users_matplotlibrc_has_no_effect(comparison):
    import matplotlib as mpl

    usual = panel_svg("code", comparison)
    with mpl.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert panel_svg("code", comparison) == usual
        assert mpl.rcParams["lines.linewidth"] == 9


def test_the_picture_is_a_png_with_equal_bytes(comparison):
    picture = curves_png(comparison)
    assert picture.startswith(b"\x89PNG")
    assert picture == curves_png(comparison)
    assert b"Matplotlib" not in picture


def test_the_picture_of_incomparable_models_has_a_warning(comparison):
    assert curves_png(replace(comparison, warnings=("x",))) != curves_png(comparison)


def test_panels_on_one_page_have_distinct_ids(comparison):
    svgs = [panel_svg(task, comparison) for task in ("document", "code", "database")]
    ids = [name for svg in svgs for name in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))
    for svg in svgs:
        referred = set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
        assert referred
        assert referred <= set(ids)


def test_the_svg_contains_no_version_or_date(comparison):
    svg = panel_svg("code", comparison)
    assert "<metadata" not in svg
    assert "Matplotlib" not in svg
    assert not re.search(r"20\d\d-\d\d-\d\d", svg)


def test_labels_are_escaped(before, after):
    models = read_models([before, after], ['<script>alert("x")</script>', "$\\frac{"])
    svg = panel_svg("code", compare(models))
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    assert "$\\frac{" in texts(svg)


def test_a_span_without_data_breaks_the_line(tmp_path):
    spans = [None, *[0.5] * 7, None, *[0.6] * 6, None]
    made.write(tmp_path, made.content("m", {"code": spans}))
    svg = panel_svg("code", compare(read_models([tmp_path], ["m"])))
    strong = next(path for path in re.findall(r'<path d="([^"]+)"[^>]*stroke: #0072b2', svg) if path.count("L") > 5)
    assert strong.count("M") == 2
    assert "nan" not in svg


def test_the_middle_is_shaded(comparison):
    svg = panel_svg("code", comparison)
    assert [svg.count(f"fill: {colour}") for colour in SHADES] == [1, 1]


def test_equal_curves_are_both_visible(after):
    svg = panel_svg("code", compare(read_models([after, after], ["a", "b"])))
    colours = ("#d55e00", "#0072b2")
    below, above = (max(map(float, re.findall(rf"stroke: {one}; stroke-width: ([\d.]+)", svg))) for one in colours)
    assert below >= above + 1.5


def test_the_description_gives_the_dip_and_the_best_and_worst_positions(comparison):
    shown = describe("database", comparison)
    assert shown.startswith(
        "Database probe, score by depth of the answer. Base: ends minus middle +43.3 points, average 47.5%, gap 77.0 "
    )
    assert "best 95.4% at depth 97%, worst 18.4% at depth 50%" in shown


def test_six_models_with_long_names_fit_in_a_panel(before):
    labels = [f"A-Very-Long-Model-Name-Instruct-with-lora-r64-merged-{i}" for i in range(6)]
    svg = panel_svg("document", compare(read_models([before] * 6, labels)))
    assert float(re.search(r'height="([\d.]+)pt"', svg)[1]) > 3.35 * 72
    assert svg.count("merged-") >= 6


def test_matplotlib_is_imported_only_to_draw():
    code = "import sys, in2_plugin.reporting, in2_plugin.cli.report; print('matplotlib' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_intervals_are_bands_for_few_models_and_bars_for_more(rich, rich_folder, comparison):
    assert panel_svg("code", rich).count("fill-opacity: 0.14") == 2
    assert "0.14" not in panel_svg("code", comparison)
    four = compare(read_models([rich_folder / "FILM"] * 4, list("abcd")))
    svg = panel_svg("code", four)
    assert "fill-opacity: 0.14" not in svg
    assert svg.count("stroke-opacity: 0.45") >= 4


def test_measured_baselines_replace_the_papers(rich):
    shown = texts(panel_svg("document", rich))
    assert "echo only 38.1" in shown
    assert "37.7" not in shown


def size(picture):
    return struct.unpack(">II", picture[16:24])


def test_many_models_get_one_row_each_in_the_picture(before, after):
    few = curves_png(compare(read_models([after] * 6, list("abcdef"))))
    many = compare(read_models([before, *[after] * 7], list("abcdefgh")))
    picture = curves_png(many)
    assert size(picture)[1] > 2 * size(few)[1]
    assert picture == curves_png(many)


def test_probes_without_results_are_not_shown(tmp_path, before):
    made.write(tmp_path / "code", made.content("m", {"code": made.paper_spans("FILM")["code"]}))
    assert shown_tasks(read_models([tmp_path / "code"])) == ["code"]
    assert shown_tasks(read_models([tmp_path / "code", before])) == ["document", "code", "database"]

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import lm_eval_results as made
import pytest

from in2_plugin.errors import ConfigError, MissingExtra
from in2_plugin.reporting.figures import STYLES, curves_png, describe, panel_svg, require_matplotlib, styles
from in2_plugin.reporting.results import read_models


def texts(svg):
    return " ".join("".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter() if node.text)


def test_a_panel_has_its_title_numbers_labels_and_references(models):
    said = texts(panel_svg("document", models))
    for text in ("Document", "Avg 74.2 → 85.4", "Gap 32.0 → 6.0", "Base", "FILM", "Mistral, paper", "FILM, paper"):
        assert text in said
    assert "echo only 37.7" in said
    assert "any other 12.0" in said


def test_only_the_document_panel_has_floors(models):
    assert "echo only" not in panel_svg("code", models)


@pytest.mark.parametrize("task", ["document", "code", "database"])
def test_equal_results_give_equal_bytes(models, task):
    assert panel_svg(task, models) == panel_svg(task, models)


def test_a_users_matplotlibrc_changes_nothing(models):
    import matplotlib as mpl

    usual = panel_svg("code", models)
    with mpl.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert panel_svg("code", models) == usual
        assert mpl.rcParams["lines.linewidth"] == 9


def test_the_picture_is_a_png_with_equal_bytes(models):
    picture = curves_png(models)
    assert picture.startswith(b"\x89PNG")
    assert picture == curves_png(models)
    assert b"Matplotlib" not in picture


def test_the_picture_of_incomparable_models_says_so(models):
    assert curves_png(models, comparable=False) != curves_png(models)


def test_panels_share_a_page_without_sharing_ids(models):
    svgs = [panel_svg(task, models) for task in ("document", "code", "database")]
    ids = [name for svg in svgs for name in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))
    for svg in svgs:
        referred = set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
        assert referred
        assert referred <= set(ids)


def test_the_svg_names_no_version_and_no_date(models):
    svg = panel_svg("code", models)
    assert "<metadata" not in svg
    assert "Matplotlib" not in svg
    assert not re.search(r"20\d\d-\d\d-\d\d", svg)


def test_labels_are_text_and_not_markup(before, after):
    models = read_models([before, after], ['<script>alert("x")</script>', "$\\frac{"])
    svg = panel_svg("code", models)
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    assert "$\\frac{" in texts(svg)


def test_a_span_without_data_breaks_the_line(tmp_path):
    spans = [None, *[0.5] * 7, None, *[0.6] * 6, None]
    made.write(tmp_path, made.content("m", {"code": spans}))
    svg = panel_svg("code", read_models([tmp_path], ["m"]))
    strong = next(path for path in re.findall(r'<path d="([^"]+)"[^>]*stroke: #0072b2', svg) if path.count("L") > 5)
    assert strong.count("M") == 2
    assert "nan" not in svg


def test_models_differ_in_colour_marker_glyph_and_dash():
    for part in ("colour", "marker", "glyph", "dash"):
        assert len({getattr(style, part) for style in STYLES}) == len(STYLES)


def test_one_model_looks_like_after_and_seven_are_too_many():
    assert styles(1) == (STYLES[1],)
    assert styles(2) == STYLES[:2]
    with pytest.raises(ConfigError, match="at most 6 models, not 7"):
        styles(7)


def test_the_description_says_where_best_and_worst_are(models):
    said = describe("database", models)
    assert said.startswith("Database probe, score by depth of the answer. Base: average 47.5%, gap 77.0 points")
    assert "best 95.4% at depth 97%, worst 18.4% at depth 50%" in said


def test_six_models_with_long_names_still_have_a_panel(before):
    labels = [f"A-Very-Long-Model-Name-Instruct-with-lora-r64-merged-{i}" for i in range(6)]
    svg = panel_svg("document", read_models([before] * 6, labels))
    assert float(re.search(r'height="([\d.]+)pt"', svg)[1]) > 3.35 * 72
    assert svg.count("merged-") >= 6


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"in2-plugin\[report\]"):
        require_matplotlib()


def test_matplotlib_is_imported_only_to_draw():
    code = "import sys, in2_plugin.reporting, in2_plugin.cli.report; print('matplotlib' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"

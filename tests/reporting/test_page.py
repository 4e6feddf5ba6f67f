import re
from html.parser import HTMLParser

import pytest

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.page import render_page
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """Check that tags balance, and collect attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.tags, self.text = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def visible_text(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture
def html(comparison):
    return render_page(comparison)


def test_the_page_starts_with_title_and_summary(html, comparison):
    shown = Page(html).visible_text()
    parts = ("VAL probes: Base → FILM", comparison.summary, comparison.verdicts[0].reason, "Ends minus middle, average")
    assert sorted(parts, key=shown.index) == list(parts)


def test_the_page_has_scores_paper_rows_flat_gaps_and_settings(html):
    shown = Page(html).visible_text()
    for text in (
        "Document ● Base +9.7 -2.9 74.2 32.0",
        "Code ● Base +27.5 -12.6 20.4 59.5",
        "FILM-7B paper, 32K, 7B +2.5 +1.0 85.4 6.1",
        "GPT-4-Turbo paper, 32K – – 81.3 31.7",
        "repeating the eight words of the question scores 37.7",
        "Gap of a flat model",
        "within chance",
        "Context length, tokens 32768 32768",
        "0.4.11",
    ):
        assert text in shown


def test_the_page_loads_nothing_and_runs_no_scripts(html):
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "image", "base"} & set(page.tags)
    loading = [value for _, name, value in page.attributes if name in {"src", "srcset", "data", "href", "xlink:href"}]
    assert loading
    assert all(value.startswith("#") for value in loading)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert re.findall(r"url\((?!#)|@import", html) == []


def test_equal_results_give_equal_pages(comparison, html):
    assert render_page(comparison) == html


def test_every_panel_has_an_accessible_name(html):
    page = Page(html)
    ids = [value for _, name, value in page.attributes if name == "id"]
    named = [value for _, name, value in page.attributes if name == "aria-labelledby"]
    assert len(ids) == len(set(ids))
    assert {"caption-document", "caption-code", "caption-database"} <= set(named) <= set(ids)
    assert page.tags.count("svg") == 3


def test_the_page_has_styles_for_small_screens_and_print(html):
    assert 'content="width=device-width' in html
    assert "@media print" in html
    assert "tabular-nums" in html


def test_comparable_results_have_no_warning_box(html):
    assert "Not measured in the same way" not in html


def test_incomparable_results_have_a_warning_box(tmp_path, before):
    made.write(tmp_path / "short", made.content("m", made.paper_spans("FILM"), probe_length=4096))
    shown = Page(render_page(compare(read_models([before, tmp_path / "short"], ["A", "B"])))).visible_text()
    warning = shown.index("Not measured in the same way")
    assert "probe_length differs on document, code and database: 32768 (A) against 4096 (B)" in shown[warning:]


def test_unfinished_thoughts_are_a_warning_above_the_verdicts(tmp_path):
    value = made.content("m", made.paper_spans("FILM"))
    value["results"]["val_probe_code"]["unfinished_thoughts,none"] = 0.5
    made.write(tmp_path / "m", value)
    comparison = compare(read_models([tmp_path / "m"]))
    shown = Page(render_page(comparison)).visible_text()
    parts = (comparison.summary, "(50.0%) end inside a thought", comparison.verdicts[0].reason)
    assert sorted(parts, key=shown.index) == list(parts)


def test_the_page_notes_missing_results_and_shows_the_rest(tmp_path):
    code = made.paper_spans("FILM")["code"]
    made.write(tmp_path, made.content("m", {"code": [None, *code[1:]]}))
    page = Page(render_page(compare(read_models([tmp_path], ["M"]))))
    assert page.tags.count("svg") == 1
    assert "M has no results of val_probe_document" in page.visible_text()
    assert "M, code: 15 of 16 spans have scored rows" in page.visible_text()
    assert "repeating the eight words" not in page.visible_text()


def test_curves_with_different_spans_share_a_table_by_depth(tmp_path, before):
    halves = made.content("m", {"code": [0.25, 0.75, *[None] * 14]}, probe_spans=2)
    made.write(tmp_path / "halves", halves)
    shown = Page(render_page(compare(read_models([before, tmp_path / "halves"], ["A", "B"])))).visible_text()
    assert "22% 21.0 – 25% – 25.0 28% 18.0 –" in shown
    assert "probe_spans differs on code: default (A) against 2 (B)" in shown


def test_user_input_is_escaped(tmp_path):
    evil = '"><script>alert(1)</script>'
    value = made.content(evil, made.paper_spans("FILM"), probe_template=evil, probe_note=evil)
    value |= {"lm_eval_version": evil, "versions": dict.fromkeys(value["versions"], evil)}
    path = made.write(tmp_path, value | {"model_name": "x"})
    path.write_text(path.read_text().replace('"model_name": "x"', '"model_name": "\\"><script>alert(1)</script>"'))
    html = render_page(compare(read_models([tmp_path], [evil])))
    assert "<script" not in html
    assert Page(html).visible_text().count("alert(1)") >= 5


def test_old_results_omit_the_newer_sections(html):
    for text in (
        "By length",
        "Pattern by style",
        "Difference from",
        "95% interval",
        "without the context",
        "Baseline:",
    ):
        assert text not in Page(html).visible_text()


@pytest.fixture
def rich_html(rich):
    return render_page(rich)


def test_every_kind_of_probe_has_its_section(rich_html, rich):
    shown = Page(rich_html).visible_text()
    titles = [
        "Score in percent by position of the answer in the context",
        "Ends minus middle, average and gap, in percent",
        "Difference from Mistral, in points",
        "By length of the context",
        "Pattern by style",
        "Gaps expected by chance",
        "The numbers of the curves",
        "Settings of the measurement",
    ]
    assert sorted(titles, key=shown.index) == titles
    for text in ("Baseline: quoted part repeated – – 38.1", "data, as published", "Effective length", "of 2,000"):
        assert text in shown
    assert rich.summary in shown


def test_the_markup_is_valid(rich_html):
    page = Page(rich_html)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value for _, name, value in page.attributes if name == "aria-labelledby"} <= set(ids)
    assert page.tags.count("svg") == 3 + 3 + 2 * 3
    assert rich_html.count('class="cell middle') == 2 * 3 * (16 + 16 + 15)


def test_an_interval_is_below_its_value(rich_html, rich):
    low, high = (f"{100 * limit:.1f}" for limit in rich.of(rich.models[0], rich.models[0].tasks["code"]).avg)
    value = f"{100 * rich.models[0].tasks['code'].score.avg:.1f}"
    assert f'{value}<span class="limits">[{low}, {high}]</span>' in rich_html


def test_many_models_get_one_small_plot_each(before, after):
    labels = [f"m{i}" for i in range(1, 13)]
    html = render_page(compare(read_models([before, *[after] * 11], labels)))
    page = Page(html)
    assert page.tags.count("svg") == 12 * 3
    assert '<body class="numbered">' in html
    assert page.visible_text().startswith("VAL probes: 12 models")
    assert "32768, all models" in page.visible_text()


def test_sections_without_results_are_omitted(tmp_path):
    value = made.content("m", {})
    made.add(value, "val_probe_matrix_code_forward", made.drawn_sets([0.5], 64, 1))
    made.write(tmp_path, value)
    shown = Page(render_page(compare(read_models([tmp_path])))).visible_text()
    assert "Pattern by style" in shown
    for text in ("Ends minus middle", "by position of the answer", "Gaps expected by chance", "By length"):
        assert text not in shown


def test_labels_are_escaped_in_every_section(rich_folder):
    evil = '"><script>alert(1)</script>'
    models = read_models([rich_folder / "Mistral", rich_folder / "FILM"], [evil, "x" + evil])
    html = render_page(compare(models))
    assert "<script" not in html
    Page(html)


def test_every_verdict_is_above_its_curve(rich_html, rich):
    shown = Page(rich_html).visible_text()
    for one in rich.verdicts:
        assert f"{one.verdict} {one.reason}" in shown
    assert rich_html.index('class="verdict') < rich_html.index("<svg")


def test_details_are_folded(rich_html):
    for heading in ("Gaps expected by chance", "The numbers of the curves", "Settings of the measurement"):
        assert f"<details>\n<summary><h2>{heading}" in rich_html
    assert "<details open" not in rich_html


def test_tables_that_are_stacked_on_a_phone_name_every_cell(rich_html):
    for table in re.findall(r'<table class="[^"]*stacked.*?</table>', rich_html, flags=re.DOTALL):
        body = table[table.index("<tbody") :]
        assert re.findall(r"<td(?![^>]*data-label)(?![^>]*colspan)", body) == []

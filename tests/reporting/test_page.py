import re
from html.parser import HTMLParser

import pytest

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.page import render_page
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks that tags balance, and keeps attributes and text."""

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

    def said(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture
def html(comparison):
    return render_page(comparison)


def test_the_page_says_what_happened_first(html, comparison):
    said = Page(html).said()
    assert said.index("VAL probes: Base → FILM") < said.index(comparison.summary) < said.index("Average and gap")


def test_it_has_the_numbers_the_references_the_noise_and_the_facts(html):
    said = Page(html).said()
    for text in (
        "Base 74.2 32.0 20.4 59.5 47.5 77.0 47.4 56.2",
        "FILM-7B paper, 32K, 7B 85.4 6.1 83.3 18.7 89.0 16.8 85.9 13.9",
        "GPT-4-Turbo paper, 32K 81.3",
        "repeating the eight words of the question scores 37.7",
        "Gap of a flat model",
        "within chance",
        "Context length, tokens 32768 32768",
        "0.4.11",
    ):
        assert text in said


def test_nothing_is_loaded_from_anywhere_and_nothing_runs(html):
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "image", "base"} & set(page.tags)
    loading = [value for _, name, value in page.attributes if name in {"src", "srcset", "data", "href", "xlink:href"}]
    assert loading
    assert all(value.startswith("#") for value in loading)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert re.findall(r"url\((?!#)|@import", html) == []


def test_equal_results_give_equal_pages(comparison, html):
    assert render_page(comparison) == html


def test_every_panel_is_named_for_those_who_do_not_see_it(html):
    page = Page(html)
    ids = [value for _, name, value in page.attributes if name == "id"]
    named = [value for _, name, value in page.attributes if name == "aria-labelledby"]
    assert len(ids) == len(set(ids))
    assert {"caption-document", "caption-code", "caption-database"} <= set(named) <= set(ids)
    assert page.tags.count("svg") == 3


def test_it_is_made_for_small_screens_and_paper(html):
    assert 'content="width=device-width' in html
    assert "@media print" in html
    assert "tabular-nums" in html


def test_no_warning_without_a_reason(html):
    assert "Not measured in the same way" not in html


def test_incomparable_results_have_a_warning_box(tmp_path, before):
    made.write(tmp_path / "short", made.content("m", made.paper_spans("FILM"), probe_length=4096))
    said = Page(render_page(compare(read_models([before, tmp_path / "short"], ["A", "B"])))).said()
    warning = said.index("Not measured in the same way")
    assert "probe_length differs on document, code and database: 32768 (A) against 4096 (B)" in said[warning:]


def test_what_is_missing_is_said_and_the_rest_shown(tmp_path):
    code = made.paper_spans("FILM")["code"]
    made.write(tmp_path, made.content("m", {"code": [None, *code[1:]]}))
    page = Page(render_page(compare(read_models([tmp_path], ["M"]))))
    assert page.tags.count("svg") == 1
    assert "M has no results of val_probe_document" in page.said()
    assert "M, code: 15 of 16 spans have scored rows" in page.said()
    assert "repeating the eight words" not in page.said()


def test_curves_with_other_spans_share_a_table_by_depth(tmp_path, before):
    halves = made.content("m", {"code": [0.25, 0.75, *[None] * 14]}, probe_spans=2)
    made.write(tmp_path / "halves", halves)
    said = Page(render_page(compare(read_models([before, tmp_path / "halves"], ["A", "B"])))).said()
    assert "22% 21.0 – 25% – 25.0 28% 18.0 –" in said
    assert "probe_spans differs on code: default (A) against 2 (B)" in said


def test_everything_the_user_supplies_is_escaped(tmp_path):
    evil = '"><script>alert(1)</script>'
    value = made.content(evil, made.paper_spans("FILM"), probe_template=evil, probe_note=evil)
    value |= {"lm_eval_version": evil, "versions": dict.fromkeys(value["versions"], evil)}
    path = made.write(tmp_path, value | {"model_name": "x"})
    path.write_text(path.read_text().replace('"model_name": "x"', '"model_name": "\\"><script>alert(1)</script>"'))
    html = render_page(compare(read_models([tmp_path], [evil])))
    assert "<script" not in html
    assert Page(html).said().count("alert(1)") >= 5


def test_old_results_have_none_of_the_new_sections(html):
    for text in (
        "By length",
        "Pattern by style",
        "Difference from",
        "95% interval",
        "without the context",
        "Baseline:",
    ):
        assert text not in Page(html).said()


@pytest.fixture
def rich_html(rich):
    return render_page(rich)


def test_all_that_was_run_has_its_section(rich_html, rich):
    said = Page(rich_html).said()
    titles = [
        "Average and gap, in percent",
        "Difference from Mistral, in points",
        "Where in the context the answer is found",
        "By length of the context",
        "How much of the gap is chance",
        "Pattern by style",
        "What was measured",
    ]
    assert sorted(titles, key=said.index) == titles
    for text in ("Baseline: quoted part repeated 38.1", "authors' data, as published", "Effective length", "of 2,000"):
        assert text in said
    assert rich.summary in said


def test_its_markup_is_sound(rich_html):
    page = Page(rich_html)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value for _, name, value in page.attributes if name == "aria-labelledby"} <= set(ids)
    assert page.tags.count("svg") == 3 + 3 + 2 * 3
    assert rich_html.count('class="cell middle') == 2 * 3 * (16 + 16 + 15)


def test_an_interval_stands_below_its_value(rich_html, rich):
    low, high = (f"{100 * limit:.1f}" for limit in rich.of(rich.models[0], rich.models[0].tasks["code"]).avg)
    value = f"{100 * rich.models[0].tasks['code'].score.avg:.1f}"
    assert f'{value}<span class="limits">[{low}, {high}]</span>' in rich_html


def test_many_models_have_a_small_plot_each(before, after):
    labels = [f"m{i}" for i in range(1, 13)]
    html = render_page(compare(read_models([before, *[after] * 11], labels)))
    page = Page(html)
    assert page.tags.count("svg") == 12 * 3
    assert '<body class="numbered">' in html
    assert page.said().startswith("VAL probes: 12 models")
    assert "32768, all models" in page.said()


def test_only_what_was_run_appears(tmp_path):
    value = made.content("m", {})
    made.add(value, "val_probe_matrix_code_forward", made.drawn_sets([0.5], 64, 1))
    made.write(tmp_path, value)
    said = Page(render_page(compare(read_models([tmp_path])))).said()
    assert "Pattern by style" in said
    for text in ("Average and gap", "Where in the context", "How much of the gap", "By length"):
        assert text not in said


def test_labels_are_escaped_in_every_section(rich_folder):
    evil = '"><script>alert(1)</script>'
    models = read_models([rich_folder / "Mistral", rich_folder / "FILM"], [evil, "x" + evil])
    html = render_page(compare(models))
    assert "<script" not in html
    Page(html)

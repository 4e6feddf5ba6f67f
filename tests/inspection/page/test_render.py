import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from in2_plugin.inspection.page.examples import ShownExample, ShownText
from in2_plugin.inspection.page.render import render_dataset_page

VOID = {"meta", "link", "br"}


class Outline(HTMLParser):
    """Checks nesting, and collects tags, attributes and text."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.texts, self.attributes = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture
def audit(built):
    return json.loads((built / "audit.json").read_text())


def test_the_page_is_well_formed_and_loads_nothing(built):
    page = (built / "report.html").read_text()
    found = outline(page)
    assert "script" not in found.tags
    assert not any(name in {"src", "href", "xlink:href"} for name, _ in found.attributes)
    assert "url(" not in page and "@import" not in page
    assert found.tags.count("svg") == 4
    assert found.tags.count("article") == 12


def test_every_figure_of_the_audit_is_shown(built, audit):
    texts = outline((built / "report.html").read_text()).texts
    for figure in audit["figures"]:
        assert figure["name"] in texts
    assert f"All {len(audit['figures'])} checks passed." in texts


def test_pictures_come_before_the_passed_checks_which_are_folded(audit):
    page = render_dataset_page(audit, [])
    places = [page.index(text) for text in ('class="verdict', 'class="heat"', "<svg", "<details>", 'class="checks"')]
    assert places == sorted(places)
    assert "<details open" not in page


def test_the_page_fits_a_phone(audit):
    """Nothing has a fixed width that is larger than a phone, and no part scrolls sideways."""
    page = render_dataset_page(audit, [])
    assert "overflow-x" not in page and "<table" not in page
    assert not re.search(r"[^-]width: [2-9]\d+(px|rem)", page)


def test_contexts_with_few_segments_are_mentioned(audit):
    def page(**changes):
        segments = audit["data"]["segments_per_context"] | changes
        return render_dataset_page(audit | {"data": audit["data"] | {"segments_per_context": segments}}, [])

    assert "fewer than ten segments" not in page(few=0)
    assert "12 of 90 long contexts have fewer than ten segments, and 3 have a single one" in page(
        few=12, contexts=90, single=3
    )


def test_failing_checks_come_first(audit):
    bad = {"name": "mask", "value": 3, "bound": 0, "passed": False, "detail": "row 7"}
    page = render_dataset_page(audit | {"passed": False, "figures": [*audit["figures"], bad]}, [])
    rows = re.findall(r'<li(?: class="(failed)")?><span class="result">.*?</span><span class="name">(.*?)</span>', page)
    assert rows[0] == ("failed", "mask")
    assert page.index(">mask<") < page.index('class="heat"') < page.index("<details>")
    assert [name for kind, name in rows if kind] == ["mask"]
    assert f"1 of {len(rows)} checks fails; do not train on this dataset" in page


def test_texts_are_escaped(audit):
    evil = "<script>alert('x')</script> & \"</mark>"
    example = ShownExample("integration", 9, 3, ((evil, evil),), (0.5,), (ShownText(evil), ShownText(evil, True, 0.5)))
    figure = {"name": evil, "value": 1, "bound": 0, "passed": False, "detail": evil}
    found = outline(render_dataset_page(audit | {"figures": [figure]}, [example]))
    assert "script" not in found.tags
    assert "".join(found.texts).count(evil) == 6


def test_examples_are_shown_with_their_golds(audit):
    pieces = (ShownText("… 3 segments …"), ShownText("before"), ShownText("the gold", True, 0.25), ShownText("after"))
    example = ShownExample("fine_grained", 4_096, 30, (("Why?", "So."), ("When?", "Now.")), (0.25,), pieces)
    page = render_dataset_page(audit, [example])
    assert '<mark><span class="depth">gold at 25%</span>the gold</mark>' in page
    assert "4,096 tokens, 30 segments, gold at 25%" in page
    assert page.count("<dt>Q</dt>") == 2
    assert page.index("before") < page.index("the gold") < page.index("after")


def test_a_conversation_has_no_context(audit):
    page = render_dataset_page(audit, [ShownExample("general", 40, 0, (("Hello", "Hi"),), (), ())])
    assert 'class="context"' not in page
    assert "<dd>Hello</dd>" in page


def test_a_dataset_without_examples_has_a_page(audit):
    assert "There are no examples." in render_dataset_page(audit, [])


def test_screening_counts_are_shown(audit):
    screening = audit["data"]["screening"] | {
        "contaminated_documents": 17, "by_item": {"quiz.jsonl": 17}, "removes_near_duplicates": False,
    }  # fmt: skip
    texts = outline(render_dataset_page(audit | {"data": audit["data"] | {"screening": screening}}, [])).texts
    assert texts[texts.index("Documents that share text with quiz.jsonl") + 1] == "17"
    assert "Near-duplicate segments found and kept" in texts


def test_the_page_is_rendered_without_matplotlib():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import in2_plugin.inspection.audit.run, in2_plugin.inspection.page.render, in2_plugin.inspection.page.examples"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)

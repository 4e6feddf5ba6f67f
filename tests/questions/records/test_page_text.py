"""Pages: every form writes every identifier as it is, and none is an item of a probe."""

import itertools
import json
import re

import pytest

from in2_plugin.probing.probes.builtin import BUILTIN
from in2_plugin.questions.records.page_text import FORMS, SENTENCES, PageStyle
from in2_plugin.questions.records.registers import invent_register

LABELS = ("employee", "badge number", "locker")
RECORDS = [("Mara Ellison", "4821307", "QF-73812"), ("Tobin Harcourt", "9012345", "BK-00417")]
STYLES = [PageStyle(form, variant, variant % 4) for form in FORMS for variant in range(60)]


def page_of(style: PageStyle, labels, records) -> str:
    return style.page(labels, [style.item(labels, record) for record in records])


@pytest.mark.parametrize("fields", [2, 3])
@pytest.mark.parametrize("form", FORMS)
def test_each_identifier_is_on_the_page_once(form, fields):
    for style in (style for style in STYLES if style.form == form):
        page = page_of(style, LABELS[:fields], [record[:fields] for record in RECORDS])
        assert all(page.count(one) == 1 for record in RECORDS for one in record[:fields]), page
        assert page.startswith(style.head(LABELS[:fields])) and page.endswith(style.end)
        assert page == page.strip()


def test_a_form_has_many_variants():
    pages = {form: {page_of(s, LABELS, RECORDS) for s in STYLES if s.form == form} for form in FORMS}
    assert min(map(len, pages.values())) >= 4, {form: len(found) for form, found in pages.items()}


def test_sentences_are_sentences():
    pages = [page_of(PageStyle("sentence", variant, 0), LABELS, RECORDS[:1]) for variant in range(len(SENTENCES))]
    assert pages == [
        "The badge number of employee Mara Ellison is 4821307, the locker QF-73812.",
        "Employee Mara Ellison has the badge number 4821307 and the locker QF-73812.",
        "4821307 is the badge number and QF-73812 the locker of employee Mara Ellison.",
        "For employee Mara Ellison, the badge number is 4821307 and the locker QF-73812.",
        "4821307 was entered as the badge number, QF-73812 as the locker of employee Mara Ellison.",
    ]


def test_json_objects_can_be_read():
    for variant in (0, 1):
        page = page_of(PageStyle("json", variant, 0), LABELS, RECORDS)
        found, end = json.JSONDecoder().raw_decode(page)
        assert found == {"employee": "Mara Ellison", "badge number": 4821307, "locker": "QF-73812"}
        assert json.loads(page[end:])["locker"] == "BK-00417"


def test_no_page_has_the_form_of_a_probes_item():
    """Neither VAL's records and functions, nor a JSON object of UUIDs."""
    items = [re.compile(r"<id: .*label: .*>"), re.compile(r"^def \w+:", re.MULTILINE),
             re.compile(r'"[0-9a-f-]{36}": "[0-9a-f-]{36}"')]  # fmt: skip
    assert any(items[0].search(item) for item in _items())
    assert any(items[1].search(item) for item in _items())
    for number in range(300):
        register = invent_register(number, 0)
        page = page_of(register.style, register.labels, [register.record(place) for place in range(3)])
        assert not any(item.search(page) for item in items), page
        assert not {"id", "label", "description"} & set(register.labels)


def _items() -> list[str]:
    return [item.text for probe in BUILTIN for item in itertools.islice(_of(probe), 3)]


def _of(probe):
    rows = {
        "document": {"sentence": "A sentence.", "piece": "sentence"},
        "code": {"function_name": "f", "function_define": "    x", "piece": "x"},
        "database": {"id": "Q1", "label": "one two three", "dcpt": "four five six"},
    }
    yield probe.parse_item(rows[probe.name])

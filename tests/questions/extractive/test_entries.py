"""List items and entries with a key."""

import time

import pytest

from in2_plugin.questions.extractive.entries import structures
from tests.support.styled_texts import CHINESE, CSV, PYTHON, REFERENCE, segments_of


def pairs(text: str) -> dict[str, str]:
    return {entry.key: entry.value for entry in structures(text).entries}


@pytest.mark.parametrize(("text", "expected"), [
    ("base_url: http://localhost  # ours\nmodel_name: x", {"base_url": "http://localhost", "model_name": "x"}),
    ('"port": 8080,\n"host": "a.b.c"', {"port": "8080", "host": "a.b.c"}),
    (":param rows: what to write\n:param path: where", {"param rows": "what to write", "param path": "where"}),
    ("- **First rule**: be brief.\n- **Second rule:** be right.",
     {"First rule": "be brief.", "Second rule": "be right."}),
])  # fmt: skip
def test_entries(text, expected):
    assert pairs(text) == expected


def test_entries_of_a_reference_keep_their_signature():
    assert list(pairs(REFERENCE)) == [
        "os.writev(fd, buffers, /)", "os.get_blocking(fd)", "class smtpd.PureProxy(localaddr, remoteaddr)",
    ]  # fmt: skip


def test_a_head_is_as_in_the_text():
    (entry, _) = structures("- **First rule**: be brief.\n- **Second rule**: be right.").entries
    assert entry.head == "**First rule**:"


@pytest.mark.parametrize("text", [
    "There are two methods for getting input from a window: the first one reads a key.\nNote: not always.\nNote: once.",
    "He came at noon: it was late.", "Changed in version 3.7: It is faster.\nChanged in version 3.8: It is slower.",
    "if first_row[0]: 3\nand second_row[1:] == rows[: 2]", "It has names (two of them: one)\nand values (also: two).",
])  # fmt: skip
def test_sentences_and_labels_are_no_keys(text):
    assert pairs(text) == {}


def test_a_value_that_goes_on_below_is_not_whole():
    first, second = structures("First rule: a line that is\nwrapped here.\nSecond rule: short").entries
    assert (first.is_whole, second.is_whole) == (False, True)


def test_items_of_one_line():
    text = "- the first item;\n- the second one, which\n  goes on;\n1. the third\n2) the fourth"
    assert [item.text for item in structures(text).items] == ["the first item;", "the third", "the fourth"]
    assert [item.text[:3] for item in structures(CHINESE).items] == ["周磊平", "陈秀刚", "陈杰娜"]


def test_code_has_no_entries_and_rows_are_no_items():
    assert not any(structures(part).rows for path in PYTHON for part in segments_of(path.read_text(encoding="utf-8")))
    assert not structures(CSV).items
    assert not structures("The harbour master kept a daily log. It was a long one.")


@pytest.mark.parametrize(
    "part", ["(a", "word ", "a: ", "== ", "--- ", "| a ", '"', "a<b>::", "，：", '{"a":', "+-", "[", "a."]
)
def test_a_very_long_line_takes_little_time(part):
    start = time.process_time()
    structures("def f(x):\n    y = 1\n    z = 2\n    return 3\n" + part * 3_000)
    assert time.process_time() - start < 2

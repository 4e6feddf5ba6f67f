"""Passages are found exactly, else without case and white space, and in one segment."""

import time
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from in2_plugin.probing.own_text.evidence import QuotedPassage, find_evidence

DOCUMENTS = {
    "docs/a.md": ["The bell of Varn rings at nine.", "It is made of copper.\nNobody knows why."],
    "docs/b.md": ["The bell of Varn rings at nine.", "它是一口铜钟，每天九点\n敲响。"],
}


@pytest.fixture
def store():
    texts = [text for parts in DOCUMENTS.values() for text in parts]
    firsts = np.cumsum([0, *map(len, DOCUMENTS.values())])
    return SimpleNamespace(
        table=pa.table({"text": pa.array(texts, pa.large_string())}),
        documents=pa.table({"key": list(DOCUMENTS)}),
        document=np.repeat(range(len(DOCUMENTS)), [len(parts) for parts in DOCUMENTS.values()]),
        segments_of=lambda number: range(firsts[number], firsts[number + 1]),
    )


def find(store, text, document=""):
    wanted = QuotedPassage(text, document)
    return find_evidence([wanted], store)[wanted]


def test_an_exact_passage(store):
    found = find(store, "made of copper.\nNobody")
    assert (found.segment, found.reason, found.is_normalized) == (1, "", False)


@pytest.mark.parametrize(("text", "segment"), [("MADE  of\ncopper", 1), ("每天九点敲响", 3)])
def test_case_and_white_space_are_ignored_when_the_exact_text_is_absent(store, text, segment):
    found = find(store, text)
    assert (found.segment, found.reason, found.is_normalized) == (segment, "", True)


def test_the_document_decides_between_two_places(store):
    assert "is in docs/a.md and docs/b.md; give its `document`" in find(store, "rings at nine").reason
    assert find(store, "rings at nine", "b.md").segment == 2
    assert find(store, "rings at nine", "docs/a.md").segment == 0


@pytest.mark.parametrize(
    ("text", "document", "reason"),
    [
        ("a tin bell", "", "its evidence `a tin bell` is not in any document; copy the passage"),
        ("copper", "b.md", "is not in b.md"),
        ("copper", "c.md", "no document is called `c.md`"),
        ("copper", ".md", "no document is called `.md`"),
        ("at nine.\n\nIt is made", "", "spans 2 segments; give a shorter passage"),
    ],
)
def test_a_passage_without_one_gold_has_a_reason(store, text, document, reason):
    assert reason in find(store, text, document).reason


def test_twice_in_one_segment_is_one_gold(store):
    assert find(store, "o").reason and find(store, "铜", "b.md").segment == 3
    assert find(store, "w", "a.md").segment == 1


@pytest.mark.parametrize("text", ["The bell of Varn", "the BELL of\nVarn"])
def test_another_spelling_of_the_passage_elsewhere_makes_it_ambiguous(store, text):
    parts = ["The bell of  VARN rings at ten.", *store.table["text"].to_pylist()[1:]]
    store.table = pa.table({"text": pa.array(parts, pa.large_string())})
    assert "is in docs/a.md and docs/b.md" in find(store, text).reason


def test_a_passage_that_is_everywhere_needs_neither_time_nor_memory(store):
    parts = ["e" * 1_000_000] * 4
    store.table = pa.table({"text": pa.array(parts, pa.large_string())})
    begin = time.perf_counter()
    assert "is 2 times in docs/a.md" in find(store, "e", "a.md").reason
    assert "is 3 times in docs/a.md" in find(store, "ee", "a.md").reason  # in each segment, and across both
    assert time.perf_counter() - begin < 60  # a list of every place would take gigabytes and minutes


def test_twice_in_one_document_asks_for_a_longer_passage(store):
    assert "is 2 times in docs/a.md; give a longer passage" in find(store, "i", "a.md").reason

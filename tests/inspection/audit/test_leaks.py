import numpy as np
import pytest

from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.dataset.tables import QUESTIONS, write_rows
from in2_plugin.inspection.audit.leaks import LEAK, REPEAT, UNKNOWN, leak_figures
from tests.support.broken_datasets import BROKEN, assert_audit_fails
from tests.support.builds import small_config

TEXTS = [
    "Zora was born in Ghent, as her letters say, and never left the town again in all her long life.",
    "Milo lives in Ghent-on-Sea.",
    "The mill burned down in 1907 while the miller was away at the fair with both of his sons.",
    "Nothing happened here at all.",
    "Zora was born in Ghent, as her letters say, and never left the town again in all her life.",
    "He said GHENT.",
]
ZORA = {"kind": "fine_grained", "question": "Where was Zora born?", "answer": "Ghent."}
MILL = {"kind": "fine_grained", "question": "When did the mill burn?", "answer": "In 1907"}


@pytest.fixture
def figures(tmp_path, mistral):
    """Figures of examples given as (segment ids, turns); segment i is document i."""
    documents = [Document("test", str(n), text) for n, text in enumerate(TEXTS)]
    rng = np.random.default_rng(1)
    store = build_store(documents, tmp_path / "segments", mistral, segment_tokens=128, paper_exact=False, rng=rng)
    asked = [{**ZORA, "exclusive": ["her letters"]}, {**MILL, "exclusive": []}]
    write_rows(tmp_path / "questions.parquet", asked, QUESTIONS)

    def look(*examples, part: str = "fine_grained", **changes):
        config = small_config(tmp_path, tmp_path, **changes)
        sample = [(7 + n, _row(part, ids, turns)) for n, (ids, turns) in enumerate(examples)]
        return {figure.name: figure for figure in leak_figures(sample, tmp_path / "questions.parquet", store, config)}

    return look


def _row(part, ids, turns):
    complete = [{**turn, "segment_ids": [own], "gold": [{"segment_id": own}]} for turn, own in turns]
    return {"part": part, "segment_ids": ids, "turns": complete}


def test_a_context_without_leaks_passes(figures):
    found = figures(([2, 3], [(MILL, 2)]), ([3, 2, 0], [(ZORA, 0)]))
    assert [name for name, figure in found.items() if not figure.passed] == []
    assert found[LEAK].detail == "2 questions"


def test_an_answer_in_a_filler_is_found_in_any_case(figures):
    found = figures(([2, 3], [(MILL, 2)]), ([3, 5, 0], [(ZORA, 0)]))[LEAK]
    assert (found.value, found.passed) == (1, False)
    assert "row 8: segment 5 contains 'ghent', which answers 'Where was Zora born?'" in found.detail


def test_an_answer_matches_whole_words(figures):
    # a hyphen ends a word, a letter does not
    assert not figures(([0, 1], [(ZORA, 0)]))[LEAK].passed
    assert figures(([2, 3], [(MILL | {"answer": "thing"}, 2)]))[LEAK].passed


def test_answers_in_fillers_pass_if_the_build_file_allows_them(figures):
    assert figures(([5, 0], [(ZORA, 0)]), distractors={"answer": False})[LEAK].passed


def test_a_quoted_text_never_passes(figures):
    found = figures(([4, 0], [(ZORA, 0)]), distractors={"answer": False})[LEAK]
    assert "segment 4 contains 'her letters'" in found.detail


def test_segments_of_another_question_are_searched(figures):
    found = figures(([5, 0], [(ZORA, 0), (MILL, 5)]))
    assert found[LEAK].value == 1
    assert "segment 5" in found[LEAK].detail


def test_a_near_duplicate_of_the_gold_is_found(figures):
    found = figures(([0, 4], [(ZORA, 0)]))[REPEAT]
    assert (found.value, found.passed) == (1, False)
    assert "row 7: segment 4 repeats gold segment 0" in found.detail


def test_one_near_duplicate_in_a_hundred_passes(figures):
    good = [([2, 3], [(MILL, 2)])] * 99
    assert figures(([0, 4], [(ZORA, 0)]), *good)[REPEAT].passed


def test_without_screening_for_near_duplicates_there_is_no_figure(figures):
    corpus = {"sources": ["bundled:python-docs"], "near_duplicates": {"threshold": None}}
    assert REPEAT not in figures(([0, 4], [(ZORA, 0)]), corpus=corpus)


def test_a_short_context_has_no_fillers(figures):
    found = figures(([0, 4, 5], [(ZORA, 0)]), part="short_context")
    assert found[LEAK].passed
    assert found[LEAK].detail == "0 questions"


def test_an_unknown_question_is_named(figures):
    found = figures(([2], [({**MILL, "question": "Why?"}, 2)]), part="short_context")[UNKNOWN]
    assert (found.value, found.passed) == (1, False)
    assert "row 7: 'Why?'" in found.detail


@pytest.mark.parametrize("name", BROKEN["leaks"])
def test_a_leak_fails_its_figure(copy, mistral, name):
    assert_audit_fails(copy, mistral, "leaks", name)

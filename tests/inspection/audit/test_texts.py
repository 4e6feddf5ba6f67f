import json

import numpy as np
import pytest

from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.inspection.audit.texts import text_figures
from tests.corpus.screening.test_excluded_folders import excluded_folder
from tests.support.broken_datasets import BROKEN, assert_audit_fails
from tests.support.builds import small_config

QUIZ = "the quick brown fox jumps over the lazy dog near a bank of the river"
TEXTS = [
    "Alpha is first. " * 3,
    "ALPHA, is first... " * 3,
    f"Now: {QUIZ.upper()}!",
    "Something else altogether.",
    "+++ --- +++",
]


@pytest.fixture
def store(tmp_path, mistral) -> SegmentStore:
    """Five documents of one segment."""
    documents = [Document("test", str(n), text) for n, text in enumerate(TEXTS)]
    rng = np.random.default_rng(1)
    return build_store(documents, tmp_path / "segments", mistral, segment_tokens=128, paper_exact=False, rng=rng)


@pytest.fixture
def figures(store, tmp_path):
    """Figures by name, for an evaluation set of some questions."""

    def look(used: list[int], questions: list[str] = [QUIZ], **changes):  # noqa: B006 - never changed
        quiz = tmp_path / "quiz.jsonl"
        quiz.write_text("".join(json.dumps({"question": text}) + "\n" for text in questions))
        screening = {"ngram": 10, "probes": False, "sources": [str(quiz)]}
        corpus = {"sources": ["bundled:python-docs"], "decontamination": screening | changes.pop("screening", {})}
        config = small_config(tmp_path, tmp_path, corpus=corpus, **changes)
        is_used = np.isin(np.arange(len(store)), used)
        return {figure.name: figure for figure in text_figures(store, is_used, config)}

    return look


def test_texts_that_differ_in_case_and_punctuation_are_duplicates(figures):
    found = figures([0, 1, 3])["duplicate segments"]
    assert (found.value, found.passed) == (pytest.approx(1 / 3), False)
    assert found.detail.startswith("1 of 3 segments in use")
    assert "audit.duplicate_rate" in found.detail


def test_only_segments_in_use_count(figures):
    assert figures([0, 3])["duplicate segments"].passed
    assert figures([0, 3])["evaluation text in use"].passed


def test_a_rate_within_the_bound_passes(figures):
    assert figures([0, 1, 3], audit={"duplicate_rate": 0.4})["duplicate segments"].passed


def test_evaluation_text_is_reported_with_its_item_and_document(figures):
    found = figures([2, 3])["evaluation text in use"]
    assert (found.value, found.bound, found.passed) == (1, 0, False)
    assert 'segment 2 (test, 2): "the quick brown fox jumps over the lazy dog near"' in found.detail
    assert "quiz.jsonl" in found.detail


def test_without_decontamination_there_is_no_figure(figures):
    assert set(figures([2, 3], screening={"ngram": None})) == {"duplicate segments"}


def test_evaluation_items_that_cannot_be_read_fail_the_figure(figures):
    found = figures([3], screening={"sources": ["/nowhere/quiz.jsonl"]})["evaluation text in use"]
    assert not found.passed
    assert found.detail.startswith("evaluation items cannot be read: ")
    assert "/nowhere/quiz.jsonl" in found.detail


def test_texts_without_words_are_compared_unchanged(figures):
    assert figures([3, 4])["duplicate segments"].value == 0


def test_no_segments_in_use_have_no_duplicates(figures):
    assert figures([])["duplicate segments"].value == 0


@pytest.mark.parametrize("name", BROKEN["texts"])
def test_a_repeated_or_evaluated_text_fails_its_figure(copy, mistral, name):
    assert_audit_fails(copy, mistral, "texts", name)


def test_documents_of_another_folder_are_found_whatever_screening_said(figures, tmp_path, mistral):
    excluded_folder(tmp_path / "probe", mistral, [TEXTS[3], "Never seen. " * 30], gold=())
    against = {"against": [str(tmp_path / "probe")], "ngram": None}
    found = figures([0, 3], screening=against)["documents of other folders in use"]
    assert (found.value, found.bound, found.passed) == (1, 0, False) and "the first is 3" in found.detail
    assert figures([0, 2], screening=against)["documents of other folders in use"].passed
    (tmp_path / "probe/probe.json").unlink()
    assert "cannot be read" in figures([0, 2], screening=against)["documents of other folders in use"].detail

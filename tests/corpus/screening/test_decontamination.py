"""Exactly the texts that share an n-gram with an evaluation item are found."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from in2_plugin.config import Decontamination
from in2_plugin.corpus.screening.decontamination import Contaminants
from in2_plugin.corpus.screening.evaluation_items import PIECES, evaluation_items, texts_in
from in2_plugin.corpus.screening.ngrams import word_hashes, words_of
from in2_plugin.errors import CorpusError

ITEM = "The northern harbour was founded in eighteen forty three by fishermen from the islands"


def hits(contaminants, texts):
    found = words_of(texts)
    flat = [word for one in found for word in one]
    first = np.concatenate([[0], np.cumsum([len(one) for one in found])])
    return contaminants.hits(flat, word_hashes(flat), first)


def test_a_hit_names_the_shared_ngram_and_its_item():
    contaminants = Contaminants.of([("exam.jsonl:7", ITEM)], 10, 4)
    text = "They say THE NORTHERN harbour was founded -- in eighteen-forty-three by all."
    (hit,) = hits(contaminants, ["Nothing here.", text]).values()
    assert (hit.at, hit.ngram) == (2, "the northern harbour was founded in eighteen forty three by")
    assert hit.item == "exam.jsonl:7"


def test_nine_words_or_words_across_texts_do_not_match():
    contaminants = Contaminants.of([("x", ITEM)], 10, 4)
    nine, ten = (" ".join(ITEM.split()[:n]) for n in (9, 10))
    assert hits(contaminants, [nine]) == {}
    assert list(hits(contaminants, [nine, ten])) == [1]
    words = ITEM.split()
    assert hits(contaminants, [" ".join(words[:5]), " ".join(words[5:10])]) == {}


def test_chinese_characters_are_words():
    contaminants = Contaminants.of([("val:1", "第七港由来自北方岛屿的渔民在一八四三年建立")], 10, 4)
    assert list(hits(contaminants, ["据说，第七港，由来自北方岛屿的人建立。"])) == [0]
    assert hits(contaminants, ["第七港由来自南方岛屿的人建立。"]) == {}


def test_short_items_are_counted_and_cannot_match():
    contaminants = Contaminants.of([("a", "too short"), ("b", ITEM)], 10, 4)
    assert (contaminants.short, contaminants.shortest, contaminants.names) == (1, 4, ["b"])
    assert hits(contaminants, ["It is too short."]) == {}
    with pytest.raises(CorpusError, match="not one of 1 evaluation items has 4 words"):
        Contaminants.of([("a", "too short")], 10, 4)


def test_short_items_are_compared_as_a_whole():
    items = [("a:1", "Comet Salnansen of 1789"), ("a:2", "maker of field telephones in Doreriport"), ("b", ITEM)]
    contaminants = Contaminants.of(items, 10, 4)
    assert (contaminants.short, len(contaminants.hashes)) == (0, 1 + 1 + 5)
    texts = [
        "The comet SALNANSEN, of 1789.",
        "A maker of field telephones",
        "In Doreriport, of 1789",
        " ".join(ITEM.split()[:6]),
    ]
    assert {text: hit.item for text, hit in hits(contaminants, texts).items()} == {0: "a:1"}
    both = "Comet Salnansen of 1789 was seen when " + ITEM
    assert hits(contaminants, [both])[0].item == "b"  # the longer hit
    assert hits(Contaminants.of(items, 10, 5), texts) == {}


def test_nearly_every_bundled_item_has_a_text_that_is_compared():
    config = Decontamination()
    contaminants = Contaminants.of(evaluation_items(config), config.ngram, config.whole_items)
    names = {name for name, _ in evaluation_items(config)}
    assert (len(names), len(names - set(contaminants.names)), contaminants.short) == (15_000, 56, 16_332)


def test_no_items_give_no_hits():
    assert hits(Contaminants.of([], 10, 4), [ITEM]) == {}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_hits_equal_those_of_a_comparison_of_all_ngrams(data):
    word = st.sampled_from("abcdef")
    text = st.lists(word, max_size=25).map(" ".join)
    items, texts = data.draw(st.lists(text, max_size=4)), data.draw(st.lists(text, min_size=1, max_size=5))
    n, shortest = data.draw(st.integers(2, 5)), data.draw(st.integers(1, 6))

    def runs(text, lengths):
        words = text.split()
        return {tuple(words[i : i + n]) for n in lengths for i in range(len(words) - n + 1)}

    least = min(n, shortest)
    asked = {run for item in items for run in runs(item, [min(n, len(item.split()))]) if len(run) >= least}
    expected = {i for i, one in enumerate(texts) if runs(one, range(least, n + 1)) & asked}
    if items and not asked:
        return  # an error, which another test covers
    assert set(hits(Contaminants.of([(str(i), t) for i, t in enumerate(items)], n, shortest), texts)) == expected


def test_every_bundled_probe_text_is_an_evaluation_item():
    items = list(evaluation_items(Decontamination()))
    assert {name.rpartition(":")[0] for name, _ in items} == {
        "val document_sentences", "val code_functions", "val database_entities",
    }  # fmt: skip
    with gzip.open(PIECES / "document_sentences.jsonl.gz", "rt") as lines:
        first = json.loads(next(lines))
    assert set(first.values()) <= {text for name, text in items if name.endswith("sentences:1")}


def test_a_dataset_yields_the_texts_of_its_fields(tmp_path):
    rows = [{"id": 3, "question": "Q", "choices": {"text": ["one", "two"]}}, {"question": "R", "choices": None}]
    path = tmp_path / "exam.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def items(**source):
        settings = {"ngram": 1, "probes": False, "sources": [{"path": str(path), **source}]}
        config = Decontamination.parse(settings, "test")
        return [(name.rpartition("/")[2], text) for name, text in evaluation_items(config)]

    assert items() == [
        ("exam.jsonl:1", "Q"), ("exam.jsonl:1", "one"), ("exam.jsonl:1", "two"), ("exam.jsonl:2", "R"),
    ]  # fmt: skip
    assert items(fields=["question"]) == [("exam.jsonl:1", "Q"), ("exam.jsonl:2", "R")]
    with pytest.raises(CorpusError, match=r"has no field `qestion` \(set `fields`"):
        items(fields=["qestion"])


@pytest.mark.parametrize(
    ("content", "expected"), [('{"id": 3}\n', "this evaluation set has no text"), (None, "there is no such file")]
)
def test_evaluation_sets_without_text_are_errors(tmp_path, content, expected):
    path = tmp_path / "exam.jsonl"
    if content:
        path.write_text(content)
    config = Decontamination.parse({"probes": False, "sources": [str(path)]}, "test")
    with pytest.raises(CorpusError, match=expected):
        list(evaluation_items(config))


def test_a_set_of_short_texts_is_an_error_even_next_to_others(tmp_path):
    path, ids = tmp_path / "exam.jsonl", tmp_path / "ids.jsonl"
    path.write_text(
        "".join(json.dumps({"id": f"q{i}", "question": ITEM if i == 4 else "Why?"}) + "\n" for i in range(5))
    )
    ids.write_text('{"id": "q1"}\n')

    def items(*sources):
        return list(evaluation_items(Decontamination.parse({"sources": sources}, "test")))

    named = {"path": str(path), "fields": ["question"]}
    assert items(named)[-1] == (f"{path.as_posix()}:5", ITEM)  # one comparable text is enough
    expected = "exam.jsonl: not one of 5 texts in this evaluation set has 5 words.*check `fields`"
    with pytest.raises(CorpusError, match=expected):
        items({**named, "fields": ["id"]})
    with pytest.raises(CorpusError, match=r"ids\.jsonl: not one of 1 texts"):
        items(named, str(ids))


def test_a_folder_of_probe_items_must_have_all_three_files(tmp_path):
    (tmp_path / "document_sentences.jsonl").write_text('{"sentence": "x"}\n')
    with pytest.raises(CorpusError, match=r"has no code_functions.jsonl; set `decontamination.pieces`"):
        list(evaluation_items(Decontamination(probes=False, pieces=tmp_path)))


def test_texts_are_found_at_any_depth():
    assert list(texts_in({"a": ["x", {"b": "y"}], "c": 3, "d": None, "e": b"z"})) == ["x", "y"]

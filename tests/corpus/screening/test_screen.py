"""Screening excludes segments of a store; chunk and shard sizes do not affect the result."""

import json
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.screening import screen as screening
from in2_plugin.corpus.screening.screen import Screening, ScreeningFacts, screening_facts
from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.errors import DatasetError
from tests.corpus.screening.test_excluded_folders import excluded_folder

SENTENCE = "The northern harbour was founded in eighteen forty three by fishermen from the islands."
CHINESE = "第七港由来自北方岛屿的渔民在一八四三年建立，"
LINES = [
    SENTENCE, SENTENCE[:40], SENTENCE[40:], CHINESE, "语言模型常常忽略长文本。", "", "Share", "- ***", "an </s> inside",
    "Words, words, and 3.14 of them: a line of common length, as most are.", "word " * 60, "naïve café, ﬁne print",
]  # fmt: skip


def store_of(texts, folder, tokenizer, **options) -> SegmentStore:
    documents = [Document("s", str(i), text) for i, text in enumerate(texts)]
    settings = {"segment_tokens": 40, "paper_exact": False, "rng": np.random.default_rng(0), **options}
    return build_store(documents, folder, tokenizer, **settings)


def screen(store, asked) -> ScreeningFacts:
    """Screen a store like the stage does, with each shard pickled as for a worker process."""
    screening = Screening(store, asked)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(i) for i in range(len(screening.shards))]
        for path, shard in zip(paths, screening.shards, strict=True):
            look = pickle.loads(pickle.dumps(screening.look))
            path.write_bytes(b"".join(look(shard)))
        return screening.finish(paths)


def lines(document: int) -> list[str]:
    return [f"Line {i} of text {document} says that number {i * document + 7} was seen there." for i in range(12)]


def exam(folder, *texts):
    path = folder / "exam.jsonl"
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in texts))
    return path


def config(path, **near) -> CorpusConfig:
    evaluation = {"probes": False, "sources": [str(path)]}
    return CorpusConfig.parse({"decontamination": evaluation, "near_duplicates": near}, "test")


@pytest.fixture(scope="module")
def dirty(tmp_path_factory, mistral):
    """Screen a store: text 2 has an evaluation item across segments, text 4 one in Chinese, text 5 repeats text 1."""
    folder = tmp_path_factory.mktemp("dirty")
    texts = ["\n".join(lines(i)) for i in range(5)]
    first, second = lines(2), SENTENCE.split()
    middle = [*first[:5], " ".join(second[:7]), " ".join(second[7:]), *first[5:]]
    texts[2] = "\n".join(middle)
    texts[4] += f"\n{CHINESE}很久以前。"
    store = store_of(texts, folder / "first", mistral)
    repeated = store.text(store.segments_of(1)[0]).upper()
    store = store_of([*texts, repeated], folder / "segments", mistral)
    facts = screen(store, config(exam(folder, SENTENCE, CHINESE, "Too short.")))
    return SegmentStore(store.folder), facts


def test_contaminated_documents_are_excluded_as_a_whole(dirty):
    store, facts = dirty
    assert facts.contaminated_documents == 2 and (facts.evaluation_items, facts.short_items) == (2, 1)
    for document in range(6):
        assert store.excluded[list(store.segments_of(document))].all() == (document in (2, 4, 5))
    assert not store.usable[list(store.segments_of(2))].any()


def test_the_reason_names_the_words_and_the_item(dirty):
    store, facts = dirty
    rows = {row["segment_id"]: row for row in pq.read_table(store.folder / "exclusions.parquet").to_pylist()}
    row = rows[store.segments_of(2)[0]]
    assert row["reason"] == "contaminated"
    assert row["detail"] == "the northern harbour was founded in eighteen forty three by"
    assert row["source"].endswith("exam.jsonl:1")
    assert rows[store.segments_of(4)[0]]["source"].endswith("exam.jsonl:2")
    ((name, count),) = facts.by_item.items()
    assert name.endswith("exam.jsonl") and count == 2
    assert facts.items == {name: 2} and facts.ngrams == 5 + len(CHINESE) - 1 - 9
    assert list(rows) == sorted(rows)


def test_a_duplicate_names_the_first_segment(dirty):
    store, facts = dirty
    (segment,) = store.segments_of(5)
    assert facts.near_duplicates == 1
    assert store.repeats == {segment: store.segments_of(1)[0]}
    assert not store.usable[segment] and store.usable[store.segments_of(1)[0]]


def test_duplicates_can_be_kept(dirty, tmp_path):
    store, _ = dirty
    facts = screen(store, config(exam(tmp_path, SENTENCE), remove=False))
    kept = SegmentStore(store.folder)
    assert kept.repeats and kept.usable[list(kept.repeats)].all()
    assert "noted because they repeat others" in facts.line()


def test_the_rows_do_not_depend_on_the_batch_size(dirty, tmp_path, monkeypatch):
    store, facts = dirty
    path = store.folder / "exclusions.parquet"
    screen(store, config(exam(tmp_path, SENTENCE, CHINESE)))
    whole = pq.read_table(path)
    monkeypatch.setattr(screening, "ROWS", 2)
    screen(store, config(exam(tmp_path, SENTENCE, CHINESE)))
    assert pq.ParquetFile(path).num_row_groups > 2 and pq.read_table(path) == whole
    assert len(whole) == facts.contaminated_segments + facts.near_duplicates
    assert [path.name for path in store.folder.glob("*.part")] == []


def test_a_rebuilt_store_is_not_screened(mistral, tmp_path):
    folder = tmp_path / "segments"
    store = store_of(["Same text.", "Same text."], folder, mistral)
    screen(store, config(exam(tmp_path, SENTENCE)))
    assert SegmentStore(folder).excluded.sum() == 1
    store_of(["One text.", "Another."], folder, mistral)
    assert not SegmentStore(folder).excluded.any()


def test_excluded_segments_do_not_count_as_originals(mistral, tmp_path):
    """The first of two equal segments is excluded with its contaminated document; the second is kept."""
    shared = " ".join(f"boilerplate{i}" for i in range(40))
    store = store_of([f"{shared}\n{SENTENCE}", shared], tmp_path / "segments", mistral, segment_tokens=30)
    facts = screen(store, config(exam(tmp_path, SENTENCE)))
    screened = SegmentStore(store.folder)
    assert screened.excluded.tolist() == [document == 0 for document in store.document.tolist()]
    assert not facts.near_duplicates


SIZES = [(1 << 20, 32_768, 4_096), (20_000, 70, 50), (3_000, 400, 7)]
"""Characters per chunk of text, segments per shard, segments screened together."""


def bytes_by_sizes(texts, asked, tokenizer, folder, monkeypatch, **options) -> list[dict[str, bytes]]:
    seen = []
    for number, (characters, shard, chunk) in enumerate(SIZES):
        monkeypatch.setattr("in2_plugin.corpus.cutting.CHUNK_CHARACTERS", characters)
        monkeypatch.setattr(screening, "SHARD_SEGMENTS", shard)
        monkeypatch.setattr(screening, "CHUNK_SEGMENTS", chunk)
        own = folder / str(number)
        screen(store_of(texts, own, tokenizer, **options), asked)
        seen.append({path.name: path.read_bytes() for path in own.iterdir()})
    return seen


def test_the_bytes_do_not_depend_on_chunk_and_shard_sizes(documents, mistral, tmp_path, monkeypatch):
    texts = [document.text for document in documents[:60]]
    small = config(exam(tmp_path, " ".join(texts[7].split()[100:120])))
    seen = bytes_by_sizes([*texts, *texts[:3]], small, mistral, tmp_path, monkeypatch, segment_tokens=128)
    assert seen[0] == seen[1] == seen[2]
    assert screening_facts(tmp_path / "1").contaminated_documents == 1
    assert screening_facts(tmp_path / "1").near_duplicates > 3


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.lists(st.sampled_from(LINES), min_size=1, max_size=30).map("\n".join), min_size=4, max_size=25)
)
def test_the_bytes_of_any_corpus_do_not_depend_on_sizes(texts, mistral, tmp_path, monkeypatch):
    seen = bytes_by_sizes(texts, config(exam(tmp_path, SENTENCE, CHINESE)), mistral, tmp_path, monkeypatch)
    assert seen[0] == seen[1] == seen[2]


def test_screening_can_be_switched_off(documents, mistral, tmp_path):
    off = CorpusConfig.parse({"decontamination": {"ngram": None}, "near_duplicates": {"threshold": None}}, "test")
    store = store_of(["Same text.", "Same text."], tmp_path, mistral)
    facts = screen(store, off)
    assert (facts.evaluation_items, facts.near_duplicates) == (0, 0)
    assert SegmentStore(tmp_path).usable.all()


def test_unreadable_screening_facts_are_an_error(tmp_path):
    with pytest.raises(DatasetError, match=r"exclusions\.json: cannot be read"):
        screening_facts(tmp_path)


def test_documents_and_golds_of_other_folders_are_left_out(tmp_path, mistral):
    """Text 1 is a document of the probe in other lines; text 2 quotes a gold of it; text 0 is neither."""
    other = tmp_path / "probe"
    texts = ["\n".join(lines(i)) for i in (1, 8)]
    gold = excluded_folder(other, mistral, texts, gold=(4,)).text(4)
    assert "text 8" in gold
    corpus = [f"{SENTENCE}\n" * 4, texts[0].replace("\n", "\n\n"), f"{SENTENCE}\n{gold}\n{SENTENCE}"]
    store = store_of(corpus, tmp_path / "segments", mistral)
    rule = {"probes": False, "against": {"path": str(other), "content": "abc"}}
    for ngram, documents in ((10, [1, 2]), (None, [1])):
        against = CorpusConfig.parse({"decontamination": {**rule, "against": [rule["against"]], "ngram": ngram}}, "t")
        facts = screen(store, against)
        rows = pq.read_table(store.folder / "exclusions.parquet").to_pylist()
        excluded = {int(store.document[row["segment_id"]]): (row["detail"], row["source"]) for row in rows}
        assert sorted(excluded) == documents and excluded[1] == ("the whole document", "probe abc document:")
        assert (facts.contaminated_documents, facts.same_documents) == (len(documents), 1)
        assert facts.line().startswith("1 documents left out because a folder of `decontamination.against` has them; ")
    assert facts.by_item == {"probe abc document": 1}

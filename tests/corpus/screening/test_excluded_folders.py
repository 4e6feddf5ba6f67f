"""Folders of `against` are known by their content; unfinished ones are refused."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.corpus.screening.document_digests import write_digests
from in2_plugin.corpus.screening.excluded_folders import ExcludedTexts, KnownDocuments, with_contents
from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.errors import ConfigError, CorpusError

TEXTS = [
    "\n".join(f"Line {i} of text {n} says that number {i * n + 7} was seen there." for i in range(12)) for n in range(4)
]


def excluded_folder(folder, tokenizer, texts=TEXTS, kind="probe", gold=(2, 2, 5)):
    """Write what a finished probe or dataset has, as far as it is read."""
    documents = [Document("s", f"s:{i + 1}", text) for i, text in enumerate(texts)]
    store = build_store(
        documents, folder / "segments", tokenizer, segment_tokens=40, paper_exact=False, rng=np.random.default_rng(0)
    )
    write_digests(folder / layout.DOCUMENTS, store, np.arange(len(store), dtype=np.uint32))
    table, column = (layout.PROBE_QUESTIONS, "segments") if kind == "probe" else (layout.QUESTIONS, "gold")
    golds = pa.array([[one] for one in gold], pa.list_(pa.uint32()))
    pq.write_table(pa.table({column: golds}), folder / table)
    (folder / (layout.PROBE if kind == "probe" else layout.MANIFEST)).write_text("{}")
    return store


def config(**against) -> BuildConfig:
    section = {"decontamination": {"against": [against]}}
    return BuildConfig.parse({"output": "o", "tokenizer": "t", "corpus": section}, "test")


@pytest.mark.parametrize("kind", ["probe", "dataset"])
def test_documents_and_golds_are_read(tmp_path, mistral, kind):
    store = excluded_folder(tmp_path, mistral, kind=kind)
    found = ExcludedTexts.of(tmp_path)
    assert found.kind == kind and len(found.digests) == 4
    assert list(found.gold_texts()) == [store.text(2), store.text(5)]


def test_the_content_follows_the_texts_and_not_the_path(tmp_path, mistral):
    excluded_folder(tmp_path / "a", mistral)
    content = ExcludedTexts.of(tmp_path / "a").content()
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert ExcludedTexts.of(tmp_path / "b").content() == content
    excluded_folder(tmp_path / "c", mistral, gold=(3,))
    excluded_folder(tmp_path / "d", mistral, texts=TEXTS[:3])
    others = {ExcludedTexts.of(tmp_path / name).content() for name in "cd"}
    assert len(others | {content}) == 3


def test_the_content_is_filled_in_or_compared(tmp_path, mistral):
    excluded_folder(tmp_path, mistral)
    content = ExcludedTexts.of(tmp_path).content()
    for given in ({}, {"content": content}):
        (filled,) = with_contents(config(path=str(tmp_path), **given)).corpus.decontamination.against
        assert (filled.path, filled.content) == (tmp_path, content)
    with pytest.raises(ConfigError, match=rf"has the content {content}, but the file states `content: 0`"):
        with_contents(config(path=str(tmp_path), content="0"))


def test_other_folders_are_one_sentence(tmp_path, mistral):
    with pytest.raises(CorpusError, match="no-such is not a finished probe or dataset; finish it with"):
        with_contents(config(path=str(tmp_path / "no-such")))
    excluded_folder(tmp_path, mistral, kind="dataset")
    (tmp_path / layout.DOCUMENTS).unlink()
    with pytest.raises(CorpusError, match=r"cannot be read: .*documents\.parquet: is missing"):
        with_contents(config(path=str(tmp_path)))
    (tmp_path / layout.MANIFEST).unlink()
    with pytest.raises(CorpusError, match="is not a finished probe or dataset"):
        with_contents(config(path=str(tmp_path)))


def test_a_document_is_found_however_it_is_cut(tmp_path, mistral):
    excluded_folder(tmp_path, mistral)
    known = KnownDocuments.of([("probe x", ExcludedTexts.of(tmp_path))])
    words = TEXTS[1].split()
    assert known.find([" ".join(words[:9]), "\n".join(words[9:])]) == "probe x"
    assert known.find([TEXTS[1] + "."]) is None
    assert KnownDocuments.of([]).find([TEXTS[1]]) is None

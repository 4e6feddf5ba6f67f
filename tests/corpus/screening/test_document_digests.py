"""The digest of a document does not depend on how it is cut; the file lists the documents in use."""

import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from in2_plugin.corpus.screening.document_digests import document_digest, read_digests, write_digests
from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.errors import DatasetError

TEXTS = [
    "\n".join(f"Line {i} of text {n} says that number {i * n + 7} was seen there." for i in range(12)) for n in range(3)
]
CHINESE = "第七港由来自北方岛屿的渔民在一八四三年建立，语言模型常常忽略长文本。" * 12


def store_of(folder, tokenizer, segment_tokens):
    documents = [Document("s", f"s:{i + 1}", text) for i, text in enumerate([*TEXTS, CHINESE])]
    return build_store(
        documents, folder, tokenizer, segment_tokens=segment_tokens, paper_exact=False, rng=np.random.default_rng(0)
    )


def test_the_digest_ignores_whitespace_alone():
    assert document_digest(["a b\n", " c"]) == document_digest(["abc"]) == hashlib.sha256(b"abc").hexdigest()
    assert document_digest(["abc."]) != document_digest(["abc"]) != document_digest(["Abc"])


@pytest.mark.parametrize("segment_tokens", [16, 64])
def test_a_store_gives_the_digests_of_the_texts_however_it_is_cut(tmp_path, mistral, segment_tokens):
    store = store_of(tmp_path / "segments", mistral, segment_tokens)
    assert write_digests(tmp_path / "documents.parquet", store, np.arange(len(store), dtype=np.uint32)) == 4
    rows = pq.read_table(tmp_path / "documents.parquet").to_pylist()
    assert [row["sha256"] for row in rows] == [document_digest([text]) for text in [*TEXTS, CHINESE]]
    assert [row["name"] for row in rows] == ["s:1", "s:2", "s:3", "s:4"]


def test_documents_without_a_segment_in_use_are_not_listed(tmp_path, mistral):
    store = store_of(tmp_path / "segments", mistral, 32)
    used = np.array([store.segments_of(2)[0], store.segments_of(0)[1], store.segments_of(2)[0]], np.uint32)
    write_digests(tmp_path / "documents.parquet", store, used)
    assert read_digests(tmp_path / "documents.parquet") == {document_digest([TEXTS[0]]), document_digest([TEXTS[2]])}


def test_a_missing_or_damaged_file_is_one_sentence(tmp_path):
    with pytest.raises(DatasetError, match=r"documents\.parquet: is missing; .* Run the same build again"):
        read_digests(tmp_path / "documents.parquet")
    (tmp_path / "documents.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DatasetError, match=r"documents\.parquet: cannot be read"):
        read_digests(tmp_path / "documents.parquet")

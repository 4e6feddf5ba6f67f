"""A dataset lists the documents of its examples, and no others."""

import shutil

import pyarrow.parquet as pq

from in2_plugin.corpus.screening.document_digests import document_digest
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.documents import write_used_documents
from in2_plugin.dataset.tables import read_rows


def test_the_documents_of_the_examples_are_listed(built, tmp_path):
    store = SegmentStore(built / "segments")
    used = {int(store.document[i]) for row in read_rows(built / "examples.parquet") for i in row["segment_ids"]}
    rows = pq.read_table(built / "documents.parquet").to_pylist()
    assert [row["document"] for row in rows] == sorted(used)
    assert 0 < len(used) < store.facts.documents
    first = rows[0]
    assert first["sha256"] == document_digest(store.texts(store.segments_of(first["document"])))
    assert first["name"] == store.documents["key"][first["document"]].as_py()
    copy = shutil.copytree(built, tmp_path / "copy")
    (copy / "documents.parquet").unlink()
    assert write_used_documents(copy) == len(used)
    assert (copy / "documents.parquet").read_bytes() == (built / "documents.parquet").read_bytes()

"""Summaries of IN2 datasets."""

import shutil

import numpy as np
import pytest

from in2_plugin.dataset.reader import read_manifest
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import DatasetError
from in2_plugin.preflight.dataset_summary import summarize_in2, unread_summary


def test_every_example_is_counted(built):
    found = summarize_in2({"path": str(built), "type": "in2"}, 2_048)
    rows = list(read_rows(built / "examples.parquet"))
    assert found.lengths.tolist() == [row["n_tokens"] for row in rows]
    assert found.answers.tolist() == [row["n_answer_tokens"] for row in rows]
    assert (found.examples, found.longest, found.refused) == (len(rows), read_manifest(built).longest, 0)
    assert found.is_in2 and found.trained == len(rows)
    assert rows[found.longest_row]["n_tokens"] == found.longest


def test_examples_that_do_not_fit(built):
    found = summarize_in2({"path": str(built), "type": "in2"}, 1_000)
    assert found.refused == int((found.lengths > 1_000).sum()) > 0


def test_shards_reduce_the_number_of_examples(built):
    found = summarize_in2({"path": str(built), "type": "in2", "shards": 2}, 2_048)
    assert found.examples == found.looked_at // 2 and found.trained == found.examples


def test_sums_for_json(built):
    found = summarize_in2({"path": str(built), "type": "in2"}, 2_048)
    record = found.as_json()
    assert (record["tokens"], record["answer_tokens"]) == (found.lengths.sum(), found.answers.sum())
    assert record["seen"] == "all"


def test_unread_dataset_has_no_size():
    found = unread_summary({"path": "x", "type": "alpaca"}, "why")
    assert found.trained is None and not found.is_in2 and not np.any(found.lengths)


@pytest.mark.parametrize("content", [None, b"PAR1 damaged"])
def test_damaged_file_is_one_sentence(built, tmp_path, content):
    folder = tmp_path / "in2"
    shutil.copytree(built, folder)
    (folder / "examples.parquet").unlink()
    if content:
        (folder / "examples.parquet").write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read"):
        summarize_in2({"path": str(folder), "type": "in2"}, 2_048)

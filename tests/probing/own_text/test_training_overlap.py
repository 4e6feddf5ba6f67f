"""A probe whose documents the model was trained on is warned of, with numbers."""

import logging

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from in2_plugin.errors import ConfigError, DatasetError
from in2_plugin.probing.own_text.training_overlap import warn_of_training_documents


def documents(path, *digests):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"sha256": list(digests)}), path)


@pytest.fixture
def probe(tmp_path):
    documents(tmp_path / "probe/documents.parquet", "a", "b", "c", "d")
    return tmp_path / "probe"


def warnings(caplog, probe, trained_on=None, **arguments):
    caplog.clear()
    with caplog.at_level(logging.INFO):
        warn_of_training_documents(probe, trained_on, arguments)
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_dataset_is_compared(caplog, probe, tmp_path):
    documents(tmp_path / "data/documents.parquet", "a", "x", "c")
    ((level, message),) = warnings(caplog, probe, str(tmp_path / "data"))
    assert level == "WARNING" and message.startswith("2 of the 4 documents of ") and "(50%)" in message
    documents(tmp_path / "data/documents.parquet", "x")
    ((level, message),) = warnings(caplog, probe, str(tmp_path / "data"))
    assert level == "INFO" and message.startswith("none of the 4 documents of ")


@pytest.mark.parametrize("place", ["out", "out/merged", "out/checkpoint-8"])
@pytest.mark.parametrize("argument", ["pretrained", "peft"])
def test_the_file_beside_a_model_is_found(caplog, probe, tmp_path, place, argument):
    documents(tmp_path / "out/in2_documents.parquet", "a")
    (tmp_path / place).mkdir(exist_ok=True)
    ((level, message),) = warnings(caplog, probe, **{"pretrained": "org/base", argument: str(tmp_path / place)})
    assert level == "WARNING" and "1 of the 4 documents" in message and f"({tmp_path / 'out'})" in message


def test_without_a_record_nothing_is_said(caplog, probe, tmp_path):
    (tmp_path / "out/merged").mkdir(parents=True)
    assert warnings(caplog, probe, pretrained=str(tmp_path / "out/merged")) == []
    assert warnings(caplog, probe, model="gpt") == []


def test_wrong_folders_are_one_sentence(caplog, probe, tmp_path):
    with pytest.raises(ConfigError, match=r"`trained_on`: .*no-such has neither documents\.parquet nor in2_documents"):
        warnings(caplog, probe, str(tmp_path / "no-such"))
    documents(tmp_path / "out/in2_documents.parquet", "a")
    (probe / "documents.parquet").unlink()
    with pytest.raises(DatasetError, match=r"documents\.parquet: is missing"):
        warnings(caplog, probe, str(tmp_path / "out"))

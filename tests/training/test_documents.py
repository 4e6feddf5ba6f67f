"""The documents of the training data are recorded beside the model."""

import json
import shutil
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin.corpus.screening.document_digests import read_digests
from in2_plugin.dataset.reader import read_manifest
from in2_plugin.training.documents import DATASETS, TrainingDocuments, write_training_documents


def test_the_record_has_digests_and_neither_names_nor_paths(built, tmp_path):
    n = write_training_documents(tmp_path / "out", [built, built])
    path = tmp_path / "out/in2_documents.parquet"
    assert read_digests(path) == read_digests(built / "documents.parquet") and n == len(read_digests(path))
    schema = pq.read_schema(path)
    assert schema.names == ["sha256"]
    assert json.loads(schema.metadata[DATASETS]) == [read_manifest(built).content] * 2
    assert str(built).encode() not in path.read_bytes()


def test_the_documents_of_the_base_model_are_included(built, tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    pq.write_table(pa.table({"sha256": ["e" * 64]}, pa.schema([("sha256", pa.string())], {DATASETS: b'["first"]'})),
                   base / "in2_documents.parquet")  # fmt: skip
    for model in (base, base / "checkpoint-8"):
        model.mkdir(exist_ok=True)
        trained = SimpleNamespace(config=SimpleNamespace(_name_or_path=str(model)))
        args, state = SimpleNamespace(output_dir=str(tmp_path / "out")), SimpleNamespace(is_world_process_zero=True)
        TrainingDocuments([built], print).on_train_begin(args, state, None, model=trained)
        path = tmp_path / "out/in2_documents.parquet"
        assert read_digests(path) == read_digests(built / "documents.parquet") | {"e" * 64}
        assert json.loads(pq.read_schema(path).metadata[DATASETS]) == ["first", read_manifest(built).content]


def test_a_base_model_without_a_record_changes_nothing(built, tmp_path):
    n = write_training_documents(tmp_path / "out", [built], "org/model")
    assert n == len(read_digests(built / "documents.parquet"))


def test_the_first_process_writes_it_when_training_begins(built, tmp_path):
    said = []
    callback = TrainingDocuments([built], said.append)
    for is_first in (False, True):
        state = SimpleNamespace(is_world_process_zero=is_first)
        callback.on_train_begin(SimpleNamespace(output_dir=str(tmp_path)), state, None)
        assert (tmp_path / "in2_documents.parquet").exists() is is_first
    assert not said


def test_a_dataset_without_a_list_does_not_stop_the_training(built, tmp_path):
    data, said = shutil.copytree(built, tmp_path / "data"), []
    (data / "documents.parquet").unlink()
    callback = TrainingDocuments([data], said.append)
    args, state = SimpleNamespace(output_dir=str(tmp_path / "out")), SimpleNamespace(is_world_process_zero=True)
    callback.on_train_begin(args, state, None)
    assert len(said) == 1 and said[0].startswith("the model gets no record of its training documents")
    assert not (tmp_path / "out").exists()

import json
import pickle
import shutil

import datasets
import pytest
from transformers import AutoTokenizer

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import IN2Dataset, read_manifest
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import DatasetError, TokenizerMismatch
from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet, small_config


def test_rows_load_with_plain_datasets(built):
    loaded = datasets.load_dataset(str(built), split="train")
    assert len(loaded) == 130
    assert loaded[3] == list(read_rows(built / "examples.parquet"))[3]


def test_a_folder_of_the_same_name_is_not_served_from_the_cache(built, mistral_folder, tmp_path):
    """`datasets` 4.8 keys its cache by the folder's name and the card, not by the files."""
    assert built.name == "in2"
    datasets.load_dataset(str(built), split="train")
    other = tmp_path / "in2"
    build_dataset(small_config(other, mistral_folder, seed=5), Quiet())
    loaded = datasets.load_dataset(str(other), split="train")
    assert loaded["turns"] == [row["turns"] for row in read_rows(other / "examples.parquet")]


def test_renders_the_same_after_pickling(dataset):
    row = next(read_rows(dataset.folder / "examples.parquet"))
    again = pickle.loads(pickle.dumps(dataset))
    assert again.render(row).input_ids.tolist() == dataset.render(row).input_ids.tolist()


def test_another_tokenizer_is_refused(built, qwen):
    with pytest.raises(TokenizerMismatch) as caught:
        IN2Dataset(built, qwen)
    said = str(caught.value)
    assert "was built for the tokenizer of" in said and "build again into another folder" in said


def test_another_chat_template_is_refused(built, mistral_folder):
    from transformers import AutoTokenizer

    from in2_plugin.corpus.tokenizer import ModelTokenizer

    changed = AutoTokenizer.from_pretrained(mistral_folder)
    changed.chat_template = changed.chat_template.replace(" [/INST]", "[/INST]")
    with pytest.raises(TokenizerMismatch, match="chat template"):
        IN2Dataset(built, ModelTokenizer(changed))


def test_padding_does_not_change_the_fingerprint(built, mistral_folder):
    from transformers import AutoTokenizer

    from in2_plugin.corpus.tokenizer import ModelTokenizer

    trainers = AutoTokenizer.from_pretrained(mistral_folder)
    trainers.add_special_tokens({"pad_token": "<pad>"})
    trainers.padding_side = "left"
    trainers(["a", "a b"], padding=True, truncation=True, max_length=2)
    row = next(read_rows(built / "examples.parquet"))
    assert len(IN2Dataset(built, ModelTokenizer(trainers)).render(row).input_ids) == row["n_tokens"]


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (shutil.rmtree, "there is no IN2 dataset at"),
        (lambda folder: (folder / "manifest.json").unlink(), "incomplete IN2 dataset; run `in2 build` again"),
        (lambda folder: [path.unlink() for path in folder.glob("*.json")], "is not an IN2 dataset"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "segments/store.json").unlink(), "no complete segment store"),
    ],
)
def test_unusable_folders_are_refused(built, mistral, tmp_path, prepare, expected):
    folder = tmp_path / "in2"
    shutil.copytree(built, folder)
    prepare(folder)
    with pytest.raises(DatasetError, match=expected):
        IN2Dataset(folder, mistral)


def test_another_layout_version_is_refused(built, tmp_path):
    folder = tmp_path / "in2"
    shutil.copytree(built, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 4}))
    with pytest.raises(DatasetError, match="layout 3"):
        read_manifest(folder)


def test_a_changed_store_is_detected(built, mistral, tmp_path):
    folder = tmp_path / "in2"
    shutil.copytree(built, folder)
    row = next(read_rows(folder / "examples.parquet"))
    with pytest.raises(DatasetError, match="changed after the build"):
        IN2Dataset(folder, mistral).render({**row, "segment_ids": row["segment_ids"][:-2]})


def test_a_trainer_with_other_added_tokens_is_refused(built, mistral_folder):
    """The fingerprint is that of the vocabulary and does not change with an added token that occurs in text."""
    trainers = AutoTokenizer.from_pretrained(mistral_folder)
    IN2Dataset(built, ModelTokenizer(trainers)).require_stored_ids()
    trainers.add_tokens(["the"])
    dataset = IN2Dataset(built, ModelTokenizer(trainers))
    with pytest.raises(TokenizerMismatch, match=r"segment \d+ has other token ids .* IN2_TOKENIZER=transformers"):
        dataset.require_stored_ids()

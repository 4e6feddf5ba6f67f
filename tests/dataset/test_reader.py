import json
import pickle
import shutil
from pathlib import Path

import datasets
import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.build_record import BuildFileChange
from in2_plugin.dataset.reader import IN2Dataset, read_manifest, revision_of
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import DatasetError, TokenizerMismatch
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.sharing.export import export_dataset
from in2_plugin.sharing.formats import Format
from tests.conftest import QWEN_TEMPLATE
from tests.support import vocabularies
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
    trainers.add_tokens(["module"])
    dataset = IN2Dataset(built, ModelTokenizer(trainers))
    with pytest.raises(TokenizerMismatch, match=r"segment \d+ has other token ids .* IN2_TOKENIZER=transformers"):
        dataset.require_stored_ids()


def test_a_corrected_corpus_changes_the_revision(mistral_folder, tmp_path):
    """All counts and lengths stay the same, and so do segment ids and questions about other facts."""
    revisions = []
    for year in (18, 19):
        rows = [{"text": f"Station {i} opened in the year {year} {i:02} beside the river {i}."} for i in range(40)]
        (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = small_config(
            tmp_path / "in2", mistral_folder, mixture={"fine_grained": 3, "integration": 0},
            corpus={"sources": [str(tmp_path / "corpus.jsonl")], "segment_tokens": 16},
            lengths={"min": 128, "max": 192},
        )  # fmt: skip
        build_dataset(config, Quiet(), BuildFileChange.RESTART)
        revisions.append((revision_of(config.output), read_manifest(config.output).counts))
    (old, counts), (new, again) = revisions
    assert counts == again and old != new


TURNS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


def save_model(folder, documents, added=TURNS):
    """Write a tokenizer with tokens added behind its vocabulary, in this order."""
    tokenizer = vocabularies.byte_level([d.text for d in documents[:50]], vocabularies.QWEN2_REGEX, [], 600)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in added])
    return vocabularies.save(tokenizer, folder, QWEN_TEMPLATE, eos_token="<|im_end|>")


def load(folder) -> ModelTokenizer:
    return ModelTokenizer(AutoTokenizer.from_pretrained(folder))


@pytest.fixture
def config(documents, tmp_path):
    model = save_model(tmp_path / "model", documents)
    mixture = {"fine_grained": 4, "integration": 0}
    config = small_config(tmp_path / "in2", model, mixture=mixture, lengths={"min": 256, "max": 512})
    build_dataset(config, Quiet())
    return config


def test_added_tokens_with_each_others_ids_are_refused(config, documents):
    """Name, size, chat template and the ids of plain text are the same."""
    folder, model = config.output, Path(config.tokenizer)
    IN2Dataset(folder, load(model)).require_stored_ids()
    save_model(model, documents, ("<|im_end|>", "<|im_start|>", "<|endoftext|>"))
    with pytest.raises(TokenizerMismatch, match=r"the chat template has other token ids .*'<\|im_start\|>', 600 is"):
        IN2Dataset(folder, load(model))
    with pytest.raises(TokenizerMismatch, match="run `in2 build --restart` to replace the dataset"):
        build_dataset(config, Quiet())
    with pytest.raises(TokenizerMismatch, match="other token ids"):
        export_dataset(folder, Format.MESSAGES)
    (folder / "manifest.json").unlink()
    build_dataset(config, Quiet())  # an unfinished build lays its examples out again
    IN2Dataset(folder, load(model)).require_stored_ids()


def test_plans_of_an_earlier_version_are_compared_as_far_as_they_go(config, documents):
    """They have the ids of the examples' beginnings alone; a trainer compares a whole example."""
    facts = config.output / "plans/facts.json"
    content = json.loads(facts.read_text())
    facts.write_text(json.dumps({**content, "heads": content["heads"][:1]}))
    IN2Dataset(config.output, load(config.tokenizer)).require_stored_ids()
    save_model(Path(config.tokenizer), documents, ("<|im_start|>", "<|endoftext|>", "<|im_end|>"))
    with pytest.raises(TokenizerMismatch, match="example 0 has other token ids"):
        IN2Dataset(config.output, load(config.tokenizer)).require_stored_ids()

"""The real `axolotl` as a subprocess, on the CPU."""

import json
import re
from pathlib import Path

import datasets
import pytest
import yaml
from transformers import AutoTokenizer

from in2_plugin.dataset.tables import read_rows
from tests.support.e2e_run import run

pytestmark = pytest.mark.slow

CONFIG = {
    "base_model": "model",
    "plugins": ["in2_plugin.axolotl.IN2Plugin"],
    "datasets": [{"path": "data/in2", "type": "in2"}],
    "dataset_prepared_path": "prepared",
    "output_dir": "out",
    "sequence_len": 512,
    "micro_batch_size": 2,
    "max_steps": 4,
    "save_steps": 2,
    "logging_steps": 1,
    "learning_rate": 0.002,
    "optimizer": "adamw_torch",
    "attn_implementation": "sdpa",
    "bf16": False,
    "fp16": False,
    "seed": 42,
    "dataset_num_proc": 1,
}
IN_ADVANCE = {"lazy": False}
PREPROCESS = ("axolotl", "preprocess", "config.yml", "--debug-num-examples", "0")


@pytest.fixture
def configured(workshop, tmp_path):
    """Write a configuration beside links to the workshop's model and data; returns a function of changes."""
    for name in ("model", "data"):
        (tmp_path / name).symlink_to(workshop / name)

    def write(**changes) -> Path:
        config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
        (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
        return tmp_path

    return write


def prepared(folder: Path) -> datasets.Dataset:
    (path,) = (folder / "prepared").glob("*/state.json")
    return datasets.load_from_disk(str(path.parent))


def losses(folder: Path) -> dict[int, float]:
    states = sorted(folder.glob("out/checkpoint-*/trainer_state.json"), key=lambda path: int(path.parent.name[11:]))
    history = json.loads(states[-1].read_text())["log_history"]
    return {entry["step"]: entry["loss"] for entry in history if "loss" in entry}


def supervised_texts(rows: datasets.Dataset, tokenizer) -> list[str]:
    texts = []
    for row in rows:
        supervised = [label for label in row["labels"] if label != -100]
        assert all(label in (-100, token) for token, label in zip(row["input_ids"], row["labels"], strict=True))
        texts.append(tokenizer.decode(supervised))
    return texts


def answers(folder: Path) -> list[str]:
    rows = read_rows(folder / "data/in2/examples.parquet")
    return ["".join(f" {turn['answer']}</s>" for turn in row["turns"]) for row in rows]


def test_preprocess_supervises_answers_and_nothing_else(configured):
    folder = configured(in2=IN_ADVANCE)
    said = run(*PREPROCESS, cwd=folder)
    rows = prepared(folder)
    expected = answers(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    assert sorted(supervised_texts(rows, tokenizer)) == sorted(expected)
    assert re.search(r"all [\d,]+ answer tokens of [\d,]+ tokens are supervised", said)


def test_dotted_type_works_without_the_plugin(configured):
    folder = configured(plugins=None, datasets=[{"path": "data/in2", "type": "in2_plugin.axolotl"}])
    run(*PREPROCESS, cwd=folder)
    assert len(prepared(folder)) == len(list(read_rows(folder / "data/in2/examples.parquet")))


def test_preprocess_writes_nothing_for_lazy_examples(configured):
    folder = configured()
    said = run(*PREPROCESS, cwd=folder)
    assert re.search(r"in2: \d+ examples are put together when they are needed; nothing is prepared or written", said)
    assert not (folder / "prepared").exists()


@pytest.mark.parametrize("in2", [None, IN_ADVANCE], ids=["lazy", "prepared"])
def test_train_and_resume_take_the_same_steps(configured, in2):
    folder = configured(in2=in2)
    said = run("axolotl", "train", "config.yml", cwd=folder)
    whole = losses(folder)
    assert sorted(whole) == [1, 2, 3, 4]
    assert (folder / "prepared").exists() == (in2 is not None)
    assert "logits are computed at answer tokens alone" in said
    assert ("in2/loss_depth_" in said) == (in2 is None)
    (folder / "out/checkpoint-4").rename(folder / "whole-4")
    configured(resume_from_checkpoint="out/checkpoint-2", in2=in2)
    run("axolotl", "train", "config.yml", "--launcher", "python", cwd=folder)
    resumed = losses(folder)
    assert resumed == pytest.approx(whole, abs=1e-6)


def test_sample_packing_trains_on_the_same_answers(configured):
    packed = {"sample_packing": True, "sequence_len": 1_024, "pad_to_sequence_len": True, "max_steps": 2}
    folder = configured(**packed, in2=IN_ADVANCE)
    run(*PREPROCESS, cwd=folder)
    rows = prepared(folder)
    assert "position_ids" in rows.column_names
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    expected = answers(folder)
    assert sorted(supervised_texts(rows, tokenizer)) == sorted(expected)
    run("axolotl", "train", "config.yml", "--launcher", "python", cwd=folder)
    assert sorted(losses(folder)) == [1, 2]


def test_lazy_examples_are_packed_and_held_out(configured):
    folder = configured(sample_packing=True, sequence_len=1_024, micro_batch_size=1, val_set_size=8, eval_steps=2,
                        dataloader_num_workers=1, max_steps=2)  # fmt: skip
    said = run("axolotl", "train", "config.yml", "--launcher", "python", cwd=folder)
    assert sorted(losses(folder)) == [1, 2]
    assert "8 are held out" in said and "eval_in2/loss_fine_grained" in said
    assert not (folder / "prepared").exists()


def test_beside_another_dataset_examples_are_prepared(configured):
    folder = configured(datasets=[{"path": "data/in2", "type": "in2"},
                                  {"path": "said.jsonl", "ds_type": "json", "type": "alpaca"}])  # fmt: skip
    rows = [{"instruction": f"Say {i}.", "input": "", "output": f"It is {i}."} for i in range(8)]
    (folder / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = run(*PREPROCESS, cwd=folder)
    assert "examples are prepared in advance: said.jsonl is not of `type: in2`" in said
    assert len(prepared(folder)) == len(answers(folder)) + 8


def refusal(folder: Path) -> str:
    """The last line that a refused run prints; there is no traceback above it."""
    said = run(*PREPROCESS, cwd=folder, ok=False)
    assert "Traceback" not in said, said[-3_000:]
    return said.strip().splitlines()[-1]


def test_refusals_are_one_sentence(configured, workshop):
    """A misspelt key, an unknown dataset, and one for another tokenizer; the rest is tested in-process."""
    said = refusal(configured(sequnce_len=3))
    assert said.startswith("in2: axolotl does not know the key `sequnce_len`; did you mean `sequence_len`?")
    said = refusal(configured(datasets=[{"path": "data/none", "type": "in2"}]))
    assert said == "in2: there is no IN2 dataset at data/none; build it with `in2 build`, or correct the path"
    folder = configured(base_model="other")
    other = AutoTokenizer.from_pretrained(workshop / "model")
    other.chat_template = other.chat_template.replace("[INST] ", "[USER] ")
    other.save_pretrained(folder / "other")
    (folder / "other/config.json").write_text((workshop / "model/config.json").read_text())
    said = refusal(folder)
    assert "was built for the chat template of model" in said and "build again into another folder" in said


def test_our_commands_are_axolotls(workshop):
    assert "smoke" in run("axolotl", "in2", "recipes", "list", cwd=workshop)
    said = run("axolotl", "in2", "recipes", "show", "smokee", cwd=workshop, ok=False)
    assert said.strip().splitlines()[-1] == "error: no recipe is called `smokee`; did you mean `smoke`?"

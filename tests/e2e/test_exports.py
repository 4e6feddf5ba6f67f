"""Stock Axolotl and stock TRL train on exports with the labels of the dataset."""

import json
import sys
from pathlib import Path

import datasets
import pytest
import yaml
from transformers import AutoTokenizer
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import IN2Dataset, turns_of
from tests.support.e2e_run import run

pytestmark = pytest.mark.slow

FORMATS = ("messages", "prompt-completion", "tokenized", "axolotl")
AXOLOTL = {
    "base_model": "model",
    "dataset_prepared_path": "prepared",
    "output_dir": "out",
    "sequence_len": 512,
    "micro_batch_size": 2,
    "max_steps": 2,
    "logging_steps": 1,
    "save_strategy": "no",
    "learning_rate": 0.002,
    "optimizer": "adamw_torch",
    "attn_implementation": "sdpa",
    "bf16": False,
    "fp16": False,
    "seed": 42,
    "dataset_num_proc": 1,
}
MARKED = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %}{% generation %} {{ m['content'] }}{{ eos_token }}{% endgeneration %}{% endif %}{% endfor %}"
)
"""The model's template with the generation tags that `assistant_only_loss` needs."""
TRL_JOBS = {
    "prompt-completion": {"completion_only_loss": True},
    "tokenized": {},
    "messages": {"assistant_only_loss": True, "chat_template_path": "marked.jinja"},
}
# the code in the README.md of an export; it also records the batches of the trainer
TRL = """
import json, sys
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

for name, settings in json.loads(sys.argv[1]).items():
    config = SFTConfig(f"out-{name}", max_length=None, max_steps=2, per_device_train_batch_size=2, use_cpu=True,
                       bf16=False, report_to="none", save_strategy="no", logging_steps=1, **settings)
    trainer = SFTTrainer("model", args=config, train_dataset=load_dataset(name, split="train"))
    seen = []
    for batch in trainer.get_train_dataloader():
        for ids, mask, labels in zip(*(batch[key].tolist() for key in ("input_ids", "attention_mask", "labels"))):
            assert labels[sum(mask):] == [-100] * (len(mask) - sum(mask))
            seen.append([ids[:sum(mask)], labels[:sum(mask)]])
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    with open(f"{name}.json", "w") as file:
        json.dump({"seen": seen, "losses": losses}, file)
assert not [module for module in sys.modules if module.startswith("in2_plugin")], "this package must not be imported"
"""
Seen = list[list[list[int]]]
"""[ids, labels] of each row, sorted."""


@pytest.fixture(scope="module")
def exported(workshop, tmp_path_factory) -> Path:
    """A folder with the model and, for each format, an export under the format's name."""
    folder = tmp_path_factory.mktemp("exports")
    (folder / "model").symlink_to(workshop / "model")
    for form in FORMATS:
        command = ["export", workshop / "data/in2", "--to", form, "-o", folder / form,
                   "--tokenizer", folder / "model", "--shard-size", "100kB"]  # fmt: skip
        result = CliRunner().invoke(app, [str(part) for part in command])
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def dataset(workshop) -> IN2Dataset:
    return IN2Dataset(workshop / "data/in2", ModelTokenizer(AutoTokenizer.from_pretrained(workshop / "model")))


@pytest.fixture(scope="module")
def expected(dataset) -> Seen:
    """[ids, labels] of each example of the dataset."""
    rendered = [dataset.render(row) for row in dataset.rows()]
    return sorted([one.input_ids.tolist(), one.labels.tolist()] for one in rendered)


def test_tokenized_export_has_the_labels_of_the_dataset(exported, expected):
    rows = datasets.load_dataset(str(exported / "tokenized"), split="train", cache_dir=str(exported / "cache"))
    assert sorted([row["input_ids"], row["labels"]] for row in rows) == expected


@pytest.mark.e2e_full
@pytest.mark.parametrize(("form", "entry"), [("axolotl", {"type": "input_output"}), ("tokenized", {})])
def test_axolotl_trains_without_our_plugin(exported, expected, tmp_path, form, entry):
    pytest.importorskip("axolotl")
    for name in ("model", form):
        (tmp_path / name).symlink_to(exported / name)
    (tmp_path / "config.yml").write_text(yaml.safe_dump({**AXOLOTL, "datasets": [{"path": form, **entry}]}))
    output = run("axolotl", "train", "config.yml", "--launcher", "python", cwd=tmp_path)
    (state,) = (tmp_path / "prepared").glob("*/state.json")
    rows = datasets.load_from_disk(str(state.parent))
    assert sorted([row["input_ids"], row["labels"]] for row in rows) == expected
    assert output.count("'loss':") >= 2 or output.count('"loss":') >= 2, output[-3_000:]


@pytest.fixture(scope="module")
def trl(exported) -> dict[str, dict]:
    """The batches and losses of a TRL run on each export."""
    (exported / "marked.jinja").write_text(MARKED)
    (exported / "train.py").write_text(TRL)
    run(sys.executable, "train.py", json.dumps(TRL_JOBS), cwd=exported)
    return {name: json.loads((exported / f"{name}.json").read_text()) for name in TRL_JOBS}


@pytest.mark.e2e_full
@pytest.mark.parametrize("form", ["tokenized", "messages"])
def test_trl_batches_have_the_labels_of_the_dataset(trl, expected, form):
    assert sorted(trl[form]["seen"]) == expected
    assert len(trl[form]["losses"]) == 2 and all(loss > 0 for loss in trl[form]["losses"])


@pytest.mark.e2e_full
def test_trl_batches_have_one_row_per_turn(trl, dataset):
    turns = []
    for row in dataset.rows():
        conversation = turns_of(row)
        for n in range(1, len(conversation) + 1):
            rendered = dataset.renderer.render(row["segment_ids"], conversation[:n])
            start, stop = rendered.answers[-1]
            ids = rendered.input_ids.tolist()
            turns.append([ids, [-100] * start + ids[start:stop] + [-100] * (len(ids) - stop)])
    assert sorted(trl["prompt-completion"]["seen"]) == sorted(turns)
    assert len(turns) > len(dataset)
    assert len(trl["prompt-completion"]["losses"]) == 2

"""The real `in2 preflight` as a subprocess, on a machine without a GPU, and Axolotl doing what it foretold."""

import json
import subprocess
from pathlib import Path

import datasets
import pytest
import yaml

from in2_plugin.dataset.tables import read_rows
from tests.support.e2e_run import ENVIRONMENT, run

pytestmark = pytest.mark.slow

CONFIG = {
    "base_model": "model",
    "plugins": ["in2_plugin.axolotl.IN2Plugin"],
    "datasets": [{"path": "data/in2", "type": "in2"}],
    "dataset_prepared_path": "prepared",
    "output_dir": "out",
    "sequence_len": 512,
    "micro_batch_size": 2,
    "num_epochs": 1,
    "learning_rate": 0.002,
    "optimizer": "adamw_torch",
    "bf16": True,
    "seed": 42,
    "dataset_num_proc": 1,
}
WRITTEN = {"model", "data", "config.yml"}


@pytest.fixture
def configured(workshop, tmp_path):
    """Write a file beside links to the workshop's model and data; returns a function of changes."""
    for name in ("model", "data"):
        (tmp_path / name).symlink_to(workshop / name)

    def write(**changes) -> Path:
        config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
        (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
        return tmp_path

    return write


def look(folder: Path, *options: object, ok: bool = True) -> dict:
    """The JSON object on stdout; exit status 1 says that there is an error."""
    command = ["in2", "preflight", "config.yml", "--json", *map(str, options)]
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, text=True, capture_output=True, timeout=300, check=False
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr[-3_000:]
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def errors(said: dict) -> list[dict]:
    return [finding for finding in said["findings"] if finding["level"] == "error"]


def test_a_sound_file_for_gpus_that_are_elsewhere(configured):
    folder = configured()
    said = look(folder, "--gpus", 4, "--gpu", "H100-80G")
    rows = list(read_rows(folder / "data/in2/examples.parquet"))
    (dataset,) = said["datasets"]
    assert said["ok"] and said["findings"] == []
    assert dataset["examples"] == len(rows) and dataset["refused"] == dataset["dropped"] == 0
    assert dataset["tokens"] == sum(row["n_tokens"] for row in rows)
    assert dataset["answer_tokens"] == sum(row["n_answer_tokens"] for row in rows)
    assert said["run"]["steps"] == -(-len(rows) // 8) and said["setup"]["compute_bytes"] == 2
    assert {path.name for path in folder.iterdir()} == WRITTEN, "nothing is written"


def test_a_table_for_people(configured):
    shown = run("in2", "preflight", "config.yml", "--gpus", 2, cwd=configured(sequence_len=300), ok=False)
    lines = shown.splitlines()
    assert any(line.startswith("memory a GPU") and "GiB" in line for line in lines)
    assert any(line.startswith("ERROR: data/in2: ") and "set `sequence_len: " in line for line in lines)
    assert lines[-1] == "config.yml: 1 error"


def test_too_short_a_sequence_len_says_how_many_and_what_to_set(configured):
    folder = configured(sequence_len=300)
    (finding,) = errors(look(folder, "--gpus", 1, ok=False))
    lengths = [row["n_tokens"] for row in read_rows(folder / "data/in2/examples.parquet")]
    too_long = sum(length > 300 for length in lengths)
    assert finding["what"].startswith(f"{too_long} of {len(lengths)} rows looked at are longer")
    assert finding["remedy"].startswith(f"set `sequence_len: {max(lengths)}` or more")
    configured(sequence_len=max(lengths))
    assert look(folder, "--gpus", 1)["ok"], "the remedy is one"


def test_a_sliding_window_and_its_remedy(configured):
    folder = configured(overrides_of_model_config={"sliding_window": 128})
    (finding,) = errors(look(folder, "--gpus", 1, ok=False))
    assert finding["where"].endswith("sliding_window") and "sliding_window: null" in finding["remedy"]
    configured(overrides_of_model_config={"sliding_window": None})
    assert look(folder, "--gpus", 1)["ok"]


def test_an_export_that_axolotl_cuts_loses_what_was_foretold(configured):
    folder = configured()
    run("in2", "export", "data/in2", "--to", "axolotl", "-o", "export", "--tokenizer", "model", cwd=folder)
    entry = {"path": "export", "type": "input_output"}
    configured(
        plugins=None, datasets=[entry], sequence_len=300, excess_length_strategy="truncate", train_on_inputs=True
    )
    said = look(folder, "--gpus", 1, ok=False)
    assert {finding["where"] for finding in errors(said)} == {"export", "train_on_inputs"}
    configured(plugins=None, datasets=[entry], sequence_len=300, excess_length_strategy="truncate")
    (dataset,) = look(folder, "--gpus", 1, ok=False)["datasets"]
    run("axolotl", "preprocess", "config.yml", "--debug-num-examples", "0", cwd=folder)
    (state,) = folder.glob("prepared/*/state.json")
    labels = [row["labels"][1:] for row in datasets.load_from_disk(str(state.parent))]
    supervised = [sum(label != -100 for label in row) for row in labels]
    assert sum(supervised) == dataset["answer_tokens"]
    assert supervised.count(0) == dataset["unlabelled"] > 0
    assert len(supervised) == dataset["examples"]


def test_refusals_are_one_sentence_on_stderr(configured):
    command = ["in2", "preflight", "config.yml", "--json"]
    folder = configured(sequnce_len=3)
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, text=True, capture_output=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: config.yml: axolotl does not know the key `sequnce_len`; did you mean")

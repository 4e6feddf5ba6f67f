"""`in2 preflight` on a machine without a GPU, and an Axolotl run that confirms its counts."""

import json
from pathlib import Path

import datasets
import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from in2_plugin.cli.app import app
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
    "num_epochs": 1,
    "learning_rate": 0.002,
    "optimizer": "adamw_torch",
    "bf16": True,
    "seed": 42,
    "dataset_num_proc": 1,
}
WRITTEN = {"model", "data", "config.yml"}


@pytest.fixture
def configured(workshop, tmp_path, monkeypatch):
    """Return a function that writes a config with changes, next to links to the workshop's model and data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AXOLOTL_DO_NOT_TRACK", "1")
    for name in ("model", "data"):
        (tmp_path / name).symlink_to(workshop / name)

    def write(**changes) -> Path:
        config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
        (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
        return tmp_path

    return write


def invoke(*options: object) -> Result:
    """Run `in2 preflight` in this process, without the plugins of an earlier config."""
    from axolotl.integrations.base import PluginManager

    PluginManager.get_instance().plugins.clear()
    return CliRunner().invoke(app, ["preflight", "config.yml", *map(str, options)])


def preflight(*options: object, ok: bool = True) -> dict:
    """Return the JSON object on stdout; check that the exit status is 1 if there is an error."""
    result = invoke("--json", *options)
    assert (result.exit_code == 0) == ok, result.output[-3_000:]
    return json.loads(result.stdout)


def errors(report: dict) -> list[dict]:
    return [finding for finding in report["findings"] if finding["level"] == "error"]


def test_valid_config_for_gpus_of_another_machine(configured):
    folder = configured()
    report = preflight("--gpus", 4, "--gpu", "H100-80G")
    rows = list(read_rows(folder / "data/in2/examples.parquet"))
    (dataset,) = report["datasets"]
    assert report["ok"] and report["findings"] == []
    assert dataset["examples"] == len(rows) and dataset["refused"] == dataset["dropped"] == 0
    assert dataset["tokens"] == sum(row["n_tokens"] for row in rows)
    assert dataset["answer_tokens"] == sum(row["n_answer_tokens"] for row in rows)
    assert report["run"]["steps"] == -(-len(rows) // 8) and report["setup"]["compute_bytes"] == 2
    assert {path.name for path in folder.iterdir()} == WRITTEN, "nothing is written"


def test_text_report_ends_with_findings_and_a_verdict(configured):
    configured(sequence_len=300)
    lines = invoke("--gpus", 2).stdout.splitlines()
    assert any(line.startswith("memory/GPU") and "GiB" in line for line in lines)
    assert any(line.startswith("ERROR: data/in2: ") and "set `sequence_len: " in line for line in lines)
    assert lines[-1] == "config.yml: 1 error"


def test_short_sequence_len_is_counted_with_a_remedy(configured):
    folder = configured(sequence_len=300)
    (finding,) = errors(preflight("--gpus", 1, ok=False))
    lengths = [row["n_tokens"] for row in read_rows(folder / "data/in2/examples.parquet")]
    too_long = sum(length > 300 for length in lengths)
    assert finding["what"].startswith(f"{too_long} of {len(lengths)} rows checked are longer")
    assert finding["remedy"].startswith(f"set `sequence_len: {max(lengths)}` or more")
    configured(sequence_len=max(lengths))
    assert preflight("--gpus", 1)["ok"], "the remedy works"


def test_sliding_window_and_its_remedy(configured):
    configured(overrides_of_model_config={"sliding_window": 128})
    (finding,) = errors(preflight("--gpus", 1, ok=False))
    assert finding["where"].endswith("sliding_window") and "sliding_window: null" in finding["remedy"]
    configured(overrides_of_model_config={"sliding_window": None})
    assert preflight("--gpus", 1)["ok"]


@pytest.mark.e2e_full
def test_axolotl_truncates_as_many_answer_tokens_as_predicted(configured):
    folder = configured()
    run("in2", "export", "data/in2", "--to", "axolotl", "-o", "export", "--tokenizer", "model", cwd=folder)
    entry = {"path": "export", "type": "input_output"}
    configured(
        plugins=None, datasets=[entry], sequence_len=300, excess_length_strategy="truncate", train_on_inputs=True
    )
    report = preflight("--gpus", 1, ok=False)
    assert {finding["where"] for finding in errors(report)} == {"export", "train_on_inputs"}
    configured(plugins=None, datasets=[entry], sequence_len=300, excess_length_strategy="truncate")
    (dataset,) = preflight("--gpus", 1, ok=False)["datasets"]
    run("axolotl", "preprocess", "config.yml", "--debug-num-examples", "0", cwd=folder)
    (state,) = folder.glob("prepared/*/state.json")
    labels = [row["labels"][1:] for row in datasets.load_from_disk(str(state.parent))]
    supervised = [sum(label != -100 for label in row) for row in labels]
    assert sum(supervised) == dataset["answer_tokens"]
    assert supervised.count(0) == dataset["unlabelled"] > 0
    assert len(supervised) == dataset["examples"]


def test_refusals_are_one_sentence_on_stderr(configured):
    configured(sequnce_len=3)
    result = invoke("--json")
    assert (result.exit_code, result.stdout) == (1, "")
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error: config.yml: axolotl does not know the key `sequnce_len`; did you mean")

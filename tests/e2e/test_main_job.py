"""The main workflow from text to report, with the commands of the README, at a very small size."""

import json

import pytest
import yaml

from tests.support.e2e_run import SMOKE, run

pytestmark = pytest.mark.slow


def probe(model: str, output: str, cwd) -> None:
    run(
        "in2", "lm-eval", "--model", "hf", "--model_args", f"pretrained={model},dtype=float32", "--device", "cpu",
        "--tasks", "val_probe", "--apply_chat_template", "--batch_size", "8", "--limit", "8", "--output_path", output,
        "--metadata", '{"probe_length": 512, "probe_sets": 2, "probe_spans": 2}', cwd=cwd,
    )  # fmt: skip


@pytest.mark.e2e_full
def test_from_text_to_report(workshop, tmp_path):
    for name in ("model", "data"):
        (tmp_path / name).symlink_to(workshop / name)
    config = yaml.safe_load((SMOKE / "axolotl.yml").read_text())
    config |= {
        "datasets": [{"path": "data/in2", "type": "in2"}],
        "sequence_len": 512,
        "max_steps": 20,
        "logging_steps": 5,
        "micro_batch_size": 4,
        "num_epochs": 9,
    }
    (tmp_path / "axolotl.yml").write_text(yaml.safe_dump(config))

    probe("model", "results/before", tmp_path)
    run("axolotl", "train", "axolotl.yml", cwd=tmp_path)
    probe("out", "results/after", tmp_path)
    output = run("in2", "report", "results/before", "results/after", "-o", "report.html", cwd=tmp_path)

    (state,) = tmp_path.glob("out/checkpoint-20/trainer_state.json")
    losses = [entry["loss"] for entry in json.loads(state.read_text())["log_history"] if "loss" in entry]
    assert losses[-1] < losses[0]
    assert "report.html" in output
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") >= 3
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    models = json.loads((tmp_path / "report.json").read_text())["models"]
    assert [len(model["tasks"]) for model in models] == [3, 3]


def test_smoke_recipe_is_consistent():
    """Check that its build file and its Axolotl config agree."""
    build = yaml.safe_load((SMOKE / "build.yml").read_text())
    train = yaml.safe_load((SMOKE / "axolotl.yml").read_text())
    assert train["datasets"] == [{"path": build["output"], "type": "in2"}]
    assert train["base_model"] == build["tokenizer"]
    assert train["sequence_len"] >= build["lengths"]["max"]

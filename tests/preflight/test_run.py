"""Preflight as a whole, through Axolotl's own loading, in this process."""

import json

import pytest
from axolotl.loaders import load_tokenizer
from transformers import AutoTokenizer

from in2_plugin.dataset.reader import read_manifest
from in2_plugin.errors import ConfigError
from in2_plugin.preflight.loading import load_config
from in2_plugin.preflight.report import show, to_json
from in2_plugin.preflight.run import preflight, preflight_config

SAYS_OTHERWISE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant><think>{% endif %}"
)


def about(report, where):
    return [finding for finding in report.findings if where in finding.where]


def test_a_sound_file(axolotl_file, built, tmp_path):
    report = preflight(axolotl_file(), gpus=4, gpu="H100-80G")
    assert report.findings == [] and report.errors == []
    (facts,) = report.case.facts
    assert (facts.examples, facts.longest) == (read_manifest(built).examples, read_manifest(built).longest)
    assert report.run.rows_per_step == 8 and report.run.balanced
    assert report.run.steps == -(-facts.examples * 2 // 8)
    assert [path.name for path in tmp_path.iterdir()] == ["axolotl.yml"], "nothing is written"


def test_too_short(axolotl_file, built):
    report = preflight(axolotl_file(sequence_len=1_000), gpus=1)
    (finding,) = report.errors
    longest = read_manifest(built).longest
    assert "are longer than `sequence_len: 1000`" in finding.what
    assert f"set `sequence_len: {longest}` or more" in finding.remedy


def test_other_datasets_beside_ours(axolotl_file, built, chats):
    datasets = [{"path": str(built), "type": "in2"}, {"path": str(chats), "type": "chat_template"}]
    report = preflight(axolotl_file(datasets=datasets, train_on_inputs=True), gpus=1, rows=12)
    ours, others = report.case.facts
    assert (ours.is_in2, others.is_in2, others.looked_at) == (True, False, 12)
    assert not report.run.balanced and report.run.examples == ours.examples + 60
    assert [finding.where for finding in report.errors] == ["train_on_inputs"]


def test_without_anything_said_the_figures_are_those_of_one(axolotl_file, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    report = preflight(axolotl_file())
    assert about(report, "gpus")[0].remedy == "say it: `--gpus 16 --gpu A100-80G`"
    assert report.case.setup.gpus == 1


def test_a_dataset_for_another_tokenizer(axolotl_file, model_folder, tmp_path):
    other = AutoTokenizer.from_pretrained(model_folder)
    other.chat_template = other.chat_template.replace("[INST] ", "[USER] ")
    other.save_pretrained(tmp_path / "other")
    (tmp_path / "other/config.json").write_text((model_folder / "config.json").read_text())
    (finding,) = preflight(axolotl_file(base_model=str(tmp_path / "other")), gpus=1).errors
    assert "was built for the chat template of" in finding.what


def test_a_template_that_asks_otherwise_than_it_was_trained(axolotl_file, chats):
    entry = {
        "path": str(chats),
        "type": "chat_template",
        "chat_template": "jinja",
        "chat_template_jinja": SAYS_OTHERWISE,
    }
    report = preflight(axolotl_file(datasets=[entry], plugins=None), gpus=1, rows=5)
    (finding,) = about(report, "chat template")
    assert finding.level == "warning"
    assert "ends with '<think>' where the trained conversation goes on with '@@in2-answer@@</s>'" in finding.what


def test_a_model_with_a_window_and_too_few_positions(axolotl_file):
    changes = {"overrides_of_model_config": {"sliding_window": 512, "max_position_embeddings": 1_024}}
    errors = preflight(axolotl_file(**changes), gpus=1).errors
    assert [error.where.rpartition(": ")[2] for error in errors] == ["sliding_window", "max_position_embeddings"]


def test_the_remedies_of_a_window_and_of_positions_work(axolotl_file):
    remedied = {
        "sliding_window": None,
        "max_position_embeddings": 2_048,
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 2.0,
                            "original_max_position_embeddings": 1_024},
    }  # fmt: skip
    report = preflight(axolotl_file(overrides_of_model_config=remedied), gpus=1)
    assert report.findings == []


def test_at_the_start_of_training(axolotl_file, built, chats):
    """The configuration is Axolotl's; only what costs nothing is looked at."""
    datasets = [{"path": str(built), "type": "in2"}, {"path": str(chats), "type": "chat_template"}]
    cfg = load_config(axolotl_file(datasets=datasets, in2={"gpu": "L40S"}))
    report = preflight_config(cfg, load_tokenizer(cfg), gpus=2)
    assert report.case.gpu.name == "L40S"
    (finding,) = report.findings
    assert (finding.level, finding.where) == ("note", str(chats))
    assert report.run is None and len(report.lines()) == 5
    assert preflight_config(cfg, gpus=2).case.facts[0].examples == read_manifest(built).examples


def test_ranks_of_this_run_are_its_gpus(axolotl_file, monkeypatch):
    cfg = load_config(axolotl_file())
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert preflight_config(cfg).case.setup.gpus == 4


def test_json_holds_everything_that_is_shown(axolotl_file, capsys):
    report = preflight(axolotl_file(sequence_len=1_000), gpus=1)
    said = json.loads(to_json(report))
    assert said["ok"] is False and said["findings"][0]["level"] == "error"
    parts = [size for name, size in said["memory"].items() if name != "total"]
    assert said["memory"]["total"] == pytest.approx(sum(parts))
    assert said["run"]["steps"] == report.run.steps and said["datasets"][0]["refused"] > 0
    show(report)
    shown = capsys.readouterr().out.splitlines()
    for name in ("model", "setup", "dataset", "steps", "tokens a step", "ranks busy", "time", "memory a GPU"):
        assert sum(line.startswith(name) for line in shown) == 1, name
    assert shown[-1].startswith("ERROR: ") and "set `sequence_len:" in shown[-1]


def test_no_tokenizer(axolotl_file, model_folder, tmp_path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/config.json").write_text((model_folder / "config.json").read_text())
    with pytest.raises(ConfigError, match="no tokenizer can be loaded"):
        preflight(axolotl_file(base_model=str(tmp_path / "bare")))

"""Training goes on from the last complete checkpoint, and never trains a finished model again."""

import json
from pathlib import Path

import pytest
import yaml

from benchmarks.evidence.running.folder import StudyFolder
from benchmarks.evidence.running.training import train
from benchmarks.evidence.study import load_study
from in2_plugin.errors import ConfigError
from tests.support.small_study import write_study


def checkpoint(output: Path, step: int, complete: bool = True) -> None:
    folder = output / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    state = json.dumps({"global_step": step, "log_history": [{"loss": 1.0, "step": step}]})
    (folder / "trainer_state.json").write_text(state if complete else state[:20])


@pytest.fixture
def folder(tmp_path):
    return StudyFolder(tmp_path, load_study(write_study(tmp_path / "study.yml")), "bfloat16", "cpu")


@pytest.fixture
def ran(monkeypatch, folder):
    """The configs of trainers that ran; each writes its last checkpoint, at step 6."""
    configs = []

    def run(self, log, *command):
        configs.append(yaml.safe_load((self.path / command[-1]).read_text()))
        checkpoint(self.path / configs[-1]["output_dir"], 6)

    monkeypatch.setattr(StudyFolder, "run", run)
    return configs


def test_a_new_model_starts_from_the_given_one(folder, ran):
    found = train(folder, "uniform-s3", "models/first-s3", Path("data/uniform-s3"), {"learning_rate": 1e-4}, 3)
    (config,) = ran
    assert (found["steps"], found["timed_steps"]) == (6, 6) and found["log"] == [{"loss": 1.0, "step": 6}]
    assert config["model_name_or_path"] == "models/first-s3" and config["seed"] == 3 and config["bf16"] is True
    assert config["datasets"] == [{"path": "in2", "data_dir": "data/uniform-s3"}]
    assert "resume_from_checkpoint" not in config and config["save_steps"] == folder.study.save_steps
    assert not list((folder.path / "models/uniform-s3").glob("checkpoint-*"))


def test_an_interrupted_one_goes_on_and_incomplete_checkpoints_are_deleted(folder, ran):
    output = folder.path / "models/uniform-s0"
    checkpoint(output, 2)
    checkpoint(output, 4, complete=False)
    found = train(folder, "uniform-s0", "base", Path("data/x"), {}, 0)
    assert ran[0]["resume_from_checkpoint"] == "models/uniform-s0/checkpoint-2"
    assert (found["steps"], found["timed_steps"]) == (6, 4)


def test_a_finished_model_is_not_trained_again(folder, ran):
    first = train(folder, "uniform-s0", "base", Path("data/x"), {}, 0)
    assert train(folder, "uniform-s0", "base", Path("data/x"), {}, 0) == first and len(ran) == 1


def test_a_trainer_without_checkpoints_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(StudyFolder, "run", lambda self, log, *command: (self.path / "models/a").mkdir(parents=True))
    with pytest.raises(ConfigError, match="wrote no checkpoint"):
        train(folder, "a", "base", Path("data/x"), {}, 0)

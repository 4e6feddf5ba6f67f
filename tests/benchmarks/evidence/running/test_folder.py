"""The folder of a study keeps what it was started with, and reports a failed program."""

import sys

import pytest

from benchmarks.evidence.running import folder as folders
from in2_plugin.errors import ConfigError
from tests.support.small_study import write_study


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model/checkpoint-1").mkdir(parents=True)
    (tmp_path / "model/config.json").write_text("{}")
    return tmp_path / "model"


@pytest.fixture
def opened(tmp_path, model, monkeypatch):
    monkeypatch.setattr(folders, "_dtype", lambda device: "bfloat16")
    return folders.open_folder(tmp_path / "out", write_study(tmp_path / "s.yml"), model, None)


def test_a_new_folder_has_a_copy_of_all_it_needs(opened, monkeypatch):
    assert (opened.dtype, opened.device) == ("bfloat16", "cpu")
    assert [path.name for path in (opened.path / "base").iterdir()] == ["config.json"]
    monkeypatch.setattr(folders, "_dtype", lambda device: "float32")  # another machine
    again = folders.open_folder(opened.path, None, None, None)
    assert again.dtype == "bfloat16" and again.study == opened.study


def test_the_folder_keeps_the_values_of_the_recipe(tmp_path, model, monkeypatch):
    monkeypatch.setattr(folders, "_dtype", lambda device: "float32")
    folder = folders.open_folder(tmp_path / "out", None, model, None)
    kept = (folder.path / "study.yml").read_text()
    assert "recipe" not in kept and "learning_rate: 0.0004" in kept
    assert folders.open_folder(tmp_path / "out", folders.STUDY, None, None).study == folder.study


def test_another_study_or_no_model_is_refused(opened, tmp_path):
    with pytest.raises(ConfigError, match="started with another study file"):
        folders.open_folder(opened.path, write_study(tmp_path / "other.yml", seeds=[5]), None, None)
    with pytest.raises(ConfigError, match="has no model yet; add `--model FOLDER`"):
        folders.open_folder(tmp_path / "new", None, None, None)


def test_a_failed_program_shows_the_end_of_its_log(opened):
    with pytest.raises(ConfigError, match=r"(?s)a-log: failed with exit status 3.*logs/a-log\.log\n.*why"):
        opened.run("a-log", sys.executable, "-c", "import sys; print('why'); sys.exit(3)")


def test_facts_say_where_a_cell_ran(opened):
    assert opened.facts().keys() == {"date", "commit", "machine", "device", "dtype"}

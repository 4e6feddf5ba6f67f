"""Copy the tasks into a folder like lm_eval's, and remove them."""

import importlib.machinery
from pathlib import Path

import pytest

from in2_plugin.errors import ConfigError, MissingExtra
from in2_plugin.probing.lm_eval.install import MARKER, install_tasks, lm_eval_folder, tasks_folder, uninstall_tasks


@pytest.fixture
def lm_eval(tmp_path) -> Path:
    (tmp_path / "tasks" / "arc").mkdir(parents=True)
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_install_copies_everything_and_uninstall_leaves_nothing(lm_eval):
    target = install_tasks(lm_eval)
    assert target == lm_eval / "tasks/val_probe" and not target.is_symlink()
    ours = names(tasks_folder() / "val_probe") - {"__pycache__"}
    assert names(target) == ours | {MARKER} and "_val_probe_yaml" in ours
    assert uninstall_tasks(lm_eval) == target
    assert names(lm_eval / "tasks") == {"arc"}
    assert uninstall_tasks(lm_eval) is None


def test_installing_again_refreshes(lm_eval):
    target = install_tasks(lm_eval)
    (target / "val_probe.yaml").write_text("old")
    (target / "gone.yaml").write_text("of an older version")
    install_tasks(lm_eval)
    assert "group: val_probe" in (target / "val_probe.yaml").read_text() and not (target / "gone.yaml").exists()


def test_foreign_folders_are_not_touched(lm_eval):
    theirs = lm_eval / "tasks/val_probe"
    theirs.mkdir()
    (theirs / "val_probe.yaml").write_text("theirs")
    for act in (install_tasks, uninstall_tasks):
        with pytest.raises(ConfigError, match="was not written by `in2 tasks install` and is not touched"):
            act(lm_eval)
    assert (theirs / "val_probe.yaml").read_text() == "theirs" and names(lm_eval / "tasks") == {"arc", "val_probe"}


def test_a_read_only_folder_is_reported(tmp_path):
    with pytest.raises(ConfigError, match=r"val_probe cannot be written .*--include_path"):
        (tmp_path / "tasks").write_text("a file, no folder")
        install_tasks(tmp_path)


def test_an_empty_namespace_package_does_not_count(monkeypatch):
    leftover = importlib.machinery.ModuleSpec("lm_eval", None, is_package=True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: leftover)
    with pytest.raises(MissingExtra):
        lm_eval_folder()

"""Copying the tasks into a folder that looks like lm_eval's."""

import importlib.machinery
from pathlib import Path

import pytest

from in2_plugin.errors import ConfigError, MissingExtra
from in2_plugin.probing.lm_eval import install as installing


@pytest.fixture
def lm_eval(tmp_path) -> Path:
    (tmp_path / "tasks" / "arc").mkdir(parents=True)
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_install_copies_everything_and_uninstall_leaves_nothing(lm_eval):
    target = installing.install(lm_eval)
    assert target == lm_eval / "tasks/val_probe" and not target.is_symlink()
    ours = names(installing.tasks_folder() / "val_probe") - {"__pycache__"}
    assert names(target) == ours | {installing.MARKER} and "_val_probe_yaml" in ours
    assert installing.uninstall(lm_eval) == target
    assert names(lm_eval / "tasks") == {"arc"}
    assert installing.uninstall(lm_eval) is None


def test_installing_again_refreshes(lm_eval):
    target = installing.install(lm_eval)
    (target / "val_probe.yaml").write_text("old")
    (target / "gone.yaml").write_text("of an older version")
    installing.install(lm_eval)
    assert "group: val_probe" in (target / "val_probe.yaml").read_text() and not (target / "gone.yaml").exists()


def test_what_is_not_ours_is_left_alone(lm_eval):
    theirs = lm_eval / "tasks/val_probe"
    theirs.mkdir()
    (theirs / "val_probe.yaml").write_text("theirs")
    for act in (installing.install, installing.uninstall):
        with pytest.raises(ConfigError, match="was not put there by `in2 tasks install` and is left alone"):
            act(lm_eval)
    assert (theirs / "val_probe.yaml").read_text() == "theirs" and names(lm_eval / "tasks") == {"arc", "val_probe"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"val_probe cannot be written .*--include_path"):
        (tmp_path / "tasks").write_text("a file, no folder")
        installing.install(tmp_path)


def test_an_empty_namespace_package_is_no_lm_eval(monkeypatch):
    leftover = importlib.machinery.ModuleSpec("lm_eval", None, is_package=True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: leftover)
    with pytest.raises(MissingExtra):
        installing.lm_eval_folder()

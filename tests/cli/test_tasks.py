"""The commands run in-process, with the installed lm_eval's folder replaced."""

import pytest
import typer
from typer.testing import CliRunner

from in2_plugin.cli.tasks import tasks, tasks_path
from in2_plugin.io.resources import packaged_folder


def call(app: typer.Typer, *arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.replace("\n", " ").strip()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "tasks").mkdir()
    monkeypatch.setattr("in2_plugin.probing.lm_eval.install.lm_eval_folder", lambda: tmp_path)
    return tmp_path / "tasks/val_probe"


def test_install_and_uninstall_name_the_folder(folder):
    assert call(tasks, "install").startswith(f"installed {folder}, with position and film; run `in2 tasks uninstall`")
    assert (folder / "val_probe.yaml").is_file() and (folder.parent / "film/film_suite.yaml").is_file()
    assert call(tasks, "uninstall") == f"removed {folder}"
    assert not folder.exists() and not (folder.parent / "film").exists()
    assert call(tasks, "uninstall") == "nothing to remove: the tasks are not installed"


def test_tasks_path_prints_only_the_folder(capsys):
    tasks_path()
    assert capsys.readouterr().out == f"{packaged_folder('lm_eval_tasks')}\n"

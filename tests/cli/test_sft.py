import importlib.util

import typer
from typer.testing import CliRunner

from in2_plugin.cli.app import FORWARDED
from in2_plugin.cli.sft import sft
from in2_plugin.errors import MissingExtra


def invoke(*arguments: str):
    app = typer.Typer()
    app.command(context_settings=FORWARDED)(sft)
    return CliRunner().invoke(app, arguments)


def test_without_trl_the_error_has_the_install_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    failure = invoke("--config", "sft.yml").exception
    assert isinstance(failure, MissingExtra)
    assert 'pip install "in2-plugin[trl]"' in str(failure)


def test_the_launcher_gets_every_argument(monkeypatch):
    launched: list[list[str]] = []
    monkeypatch.setattr("in2_plugin.training.trl.launch.launch", launched.append)
    assert invoke("--config", "sft.yml", "--num_processes", "2").exit_code == 0
    assert launched == [["--config", "sft.yml", "--num_processes", "2"]]

import typer
from typer.testing import CliRunner

from in2_plugin.cli.app import FORWARDED
from in2_plugin.cli.lm_eval import lm_eval


def test_lm_eval_gets_every_argument(monkeypatch):
    forwarded: list[list[str]] = []
    monkeypatch.setattr("in2_plugin.probing.lm_eval.run.run_lm_eval", forwarded.append)
    app = typer.Typer()
    app.command(context_settings=FORWARDED)(lm_eval)
    arguments = ["run", "--tasks", "val_probe", "--metadata", '{"probe_length": 512}', "--help"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert forwarded == [arguments]

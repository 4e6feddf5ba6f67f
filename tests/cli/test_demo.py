import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from in2_plugin.demo import run
from in2_plugin.errors import ConfigError

invoke = CliRunner().invoke
TINY = ("--recipe", "smoke", "--model", "org/name")


@pytest.fixture
def asked(monkeypatch):
    found = []
    monkeypatch.setattr(run, "run_demo", lambda folder, request, out: found.append((folder, request)))
    monkeypatch.setattr(run, "stop_on_sigterm", lambda: None)
    return found


def test_options_become_a_request(asked, tmp_path):
    done = invoke(app, ["demo", str(tmp_path / "d"), "--full", "--corpus", str(tmp_path), *TINY])
    assert done.exit_code == 0, done.output
    ((folder, request),) = asked
    assert (folder, request.is_full, request.corpus, request.model) == (tmp_path / "d", True, str(tmp_path), "org/name")
    assert request.recipe.name == "smoke"


def test_a_recipe_without_a_model_needs_one(asked, tmp_path):
    failure = invoke(app, ["demo", str(tmp_path / "d"), "--recipe", "smoke"], catch_exceptions=True).exception
    assert isinstance(failure, (ConfigError, SystemExit)) and asked == []


def test_ctrl_c_says_how_to_go_on(monkeypatch, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_demo", interrupt)
    done = invoke(app, ["demo", str(tmp_path / "d"), *TINY])
    assert done.exit_code == 130 and "run the same command again to go on" in done.output

import pytest
import typer
from typer.testing import CliRunner

from in2_plugin.cli.groups import In2Group
from in2_plugin.errors import ConfigError


@pytest.fixture
def app():
    app = typer.Typer(cls=In2Group)

    @app.command()
    def fail() -> None:
        raise ConfigError("the file: is wrong; correct it")

    @app.command()
    def stop() -> None:
        raise KeyboardInterrupt

    return app


def test_errors_and_interrupts_are_one_line(app):
    failed, stopped = (CliRunner().invoke(app, [name]) for name in ("fail", "stop"))
    assert (failed.exit_code, failed.stderr) == (1, "error: the file: is wrong; correct it\n")
    assert (stopped.exit_code, stopped.stderr) == (130, "stopped\n")


def test_an_unknown_command_without_a_near_one(app):
    result = CliRunner().invoke(app, ["weather"])
    assert result.exit_code == 2 and "there is no command `weather`; see --help" in result.stderr

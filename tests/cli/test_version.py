from typer.testing import CliRunner

import in2_plugin
from in2_plugin.cli.app import app


def test_version_is_printed_and_nothing_runs():
    result = CliRunner().invoke(app, ["--version", "build"])
    assert (result.exit_code, result.output) == (0, f"in2-plugin {in2_plugin.__version__}\n")

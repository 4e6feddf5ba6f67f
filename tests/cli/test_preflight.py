"""Exit status and last line; what the checks find is tested in tests/preflight and tests/e2e/test_preflight.py."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app


@pytest.mark.parametrize(
    ("errors", "status", "verdict"),
    [([], 0, "no problems found"), (["a"], 1, "1 error"), (["a", "b"], 1, "2 errors")],
)
def test_the_last_line_and_the_exit_status_follow_from_the_errors(monkeypatch, errors, status, verdict):
    asked = {}

    def run(file, **options):
        asked.update(options, file=str(file))
        return SimpleNamespace(errors=errors)

    monkeypatch.setenv("AXOLOTL_LOG_LEVEL", "WARNING")
    monkeypatch.setattr("in2_plugin.preflight.run.preflight", run)
    monkeypatch.setattr("in2_plugin.preflight.report.show", lambda report: None)
    result = CliRunner().invoke(app, ["preflight", "axolotl.yml", "--gpus", "16", "--gpu", "H200"])
    assert (result.exit_code, result.output) == (status, f"axolotl.yml: {verdict}\n")
    assert asked == {"file": "axolotl.yml", "gpus": 16, "gpu": "H200", "rows": 200}

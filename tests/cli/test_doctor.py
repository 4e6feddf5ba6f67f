import json
import shutil

from typer.testing import CliRunner

import in2_plugin
from in2_plugin.cli.app import app
from in2_plugin.inspection.environment.run import Environment, PackageStatus


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_an_intact_folder_passes(built):
    result = invoke("doctor", str(built))
    assert result.exit_code == 0
    shown = result.output.splitlines()
    # questions that no model wrote have no work log
    assert shown[-1] == f"{built}: 16 checks, no problems found"
    assert sum(line.startswith("ok ") for line in shown) == 16
    assert [line for line in shown if line.startswith("- ")] == [
        "-       work log              skipped: work.sqlite is missing",
        "-       answers of questions  skipped: work.sqlite is missing",
    ]


def test_a_damaged_file_fails_its_check(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "in2")
    (folder / "README.md").write_text("")
    (folder / "examples.parquet.part").write_text("half")
    result = invoke("doctor", str(folder))
    assert result.exit_code == 1
    shown = result.output.splitlines()
    assert "FAILS   dataset card          the digest of examples.parquet" in shown
    assert any(line.startswith("error: README.md: does not name the digest") for line in shown)
    assert any(line.startswith("note: examples.parquet.part: left by a killed run") for line in shown)
    assert shown[-1] == f"{folder}: 16 checks, 1 failed"


def test_checks_are_shown_as_json(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "in2")
    (folder / "README.md").write_text("")
    result = invoke("doctor", str(folder), "--json")
    found = json.loads(result.output)
    assert result.exit_code == 1 and not found["ok"]
    assert [check["check"] for check in found["checks"] if not check["ok"]] == ["dataset card"]
    assert found["findings"][0]["where"] == "README.md"


def test_an_empty_folder_gives_one_sentence(tmp_path):
    result = invoke("doctor", str(tmp_path))
    assert result.exit_code == 1
    assert "not a dataset folder of `in2 build`" in result.stderr


def test_the_environment_is_shown_without_a_folder():
    result = invoke("doctor", "--environment")
    assert result.exit_code == 0
    shown = result.output.splitlines()
    assert shown[0].split() == ["in2-plugin", in2_plugin.__version__]
    assert any(line.split()[0] == "transformers" and " tested" in line for line in shown)
    assert shown[-1].startswith("these versions are ") and shown[-1].endswith("; all requirements are met")


def test_an_error_of_the_environment_is_exit_status_1(monkeypatch):
    versions = PackageStatus("trl", "9.9", ("1.9.0", "1.16.0"))
    found = Environment("1.0", "3.12.1", (versions,), None, ("trl 9.9 requires more",), ("a note",))
    monkeypatch.setattr("in2_plugin.inspection.environment.run.examine_environment", lambda: found)
    result = invoke("doctor", "--environment")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "in2-plugin    1.0",
        "trl           9.9           not tested; tested with 1.9.0, 1.16.0",
        "error: trl 9.9 requires more",
        "note: a note",
        "these versions are not tested together; requirements that are not met: 1",
    ]


def test_the_environment_as_json():
    found = json.loads(invoke("doctor", "--environment", "--json").output)
    assert set(found) == {"in2-plugin", "packages", "tested_together", "errors", "notes"}
    assert found["packages"]["vllm"] == {"installed": None, "tested": [], "verdict": "not installed"}


def test_a_folder_or_the_environment(tmp_path):
    for words in ((), (str(tmp_path), "--environment")):
        result = invoke("doctor", *words)
        assert result.exit_code == 2 and "give either a dataset folder or `--environment`" in result.stderr

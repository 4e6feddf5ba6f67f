import shutil

from typer.testing import CliRunner

from in2_plugin.cli.app import app


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_an_intact_folder_passes(built):
    result = invoke("doctor", str(built))
    assert result.exit_code == 0
    shown = result.output.splitlines()
    # questions that no model wrote have no work log
    assert shown[-1] == f"{built}: 15 checks, no problems found"
    assert sum(line.startswith("ok ") for line in shown) == 15
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
    assert any(line.startswith("note: examples.parquet.part: left by a killed build") for line in shown)
    assert shown[-1] == f"{folder}: 15 checks, 1 failed"


def test_an_empty_folder_gives_one_sentence(tmp_path):
    result = invoke("doctor", str(tmp_path))
    assert result.exit_code == 1
    assert "not a dataset folder of `in2 build`" in result.stderr

import shutil

from typer.testing import CliRunner

from in2_plugin.cli.app import app


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_a_sound_folder(built):
    result = invoke("doctor", str(built))
    assert result.exit_code == 0
    shown = result.output.splitlines()
    # questions that no model wrote have no work log
    assert shown[-1] == f"{built}: checks done: 15, nothing wrong"
    assert sum(line.startswith("ok ") for line in shown) == 15
    assert [line for line in shown if line.startswith("- ")] == [
        "-       work log              left out: work.sqlite is not there",
        "-       answers of questions  left out: work.sqlite is not there",
    ]


def test_what_is_wrong_gives_exit_status_1(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "in2")
    (folder / "README.md").write_text("")
    (folder / "examples.parquet.part").write_text("half")
    result = invoke("doctor", str(folder))
    assert result.exit_code == 1
    shown = result.output.splitlines()
    assert "WRONG   dataset card          the digest of examples.parquet" in shown
    assert any(line.startswith("wrong: README.md: does not name the digest") for line in shown)
    assert any(line.startswith("note: examples.parquet.part: was left by a build") for line in shown)
    assert shown[-1] == f"{folder}: checks done: 15, something wrong in 1 of them"


def test_a_folder_of_nothing_is_one_sentence(tmp_path):
    result = invoke("doctor", str(tmp_path))
    assert result.exit_code == 1
    assert "holds nothing of `in2 build`" in result.stderr

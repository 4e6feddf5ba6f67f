"""`in2 probe init` and `in2 probe build`."""

import json

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from tests.support.own_documents import GOOD, write_documents


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_documents(tmp_path / "docs")
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, GOOD)))
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(app, ["probe", *map(str, arguments)])


@pytest.mark.parametrize("questions", [[], ["--questions", "q.jsonl"]])
def test_the_file_of_init_builds_as_it_is(folder, mistral_folder, questions):
    written = invoke("init", "--corpus", "docs", "--model", mistral_folder, *questions)
    assert written.exit_code == 0 and "next: in2 probe build probe.yml" in written.output
    built = invoke("build", "probe.yml", "--quiet", "--json")
    assert built.exit_code == 0, built.output
    found = json.loads(built.stdout)
    assert found["questions"] == found["fine_grained"] + found["integration"] > 0
    assert found["prompts"] == 5 * found["questions"] * len(found["lengths"])
    assert found["command"].startswith("in2 lm-eval --model") and '{"probe": "my-probe"}' in found["command"]
    again = invoke("build", "probe.yml")
    assert "my-probe is already complete" in again.output and "run it with:" in again.output


def test_init_never_overwrites(folder, mistral_folder):
    (folder / "probe.yml").write_text("mine")
    result = invoke("init", "--corpus", "docs", "--model", mistral_folder)
    assert result.exit_code == 1 and "exists already" in result.stderr
    assert (folder / "probe.yml").read_text() == "mine"


def test_a_folder_of_pdf_files_is_refused_with_the_way_to_text(folder, mistral_folder):
    (folder / "pdf").mkdir()
    (folder / "pdf" / "a.pdf").touch()
    result = invoke("init", "--corpus", "pdf", "--model", mistral_folder)
    assert (
        result.exit_code == 1 and "convert them to text first, pdf/a.pdf for example with `markitdown" in result.stderr
    )

import json
import shutil

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from tests.support import damages


@pytest.fixture
def copy(built, tmp_path):
    return shutil.copytree(built, tmp_path / "in2")


@pytest.fixture
def broken(copy):
    damages.turn(answer=" ")(copy)
    return copy


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["audit", *arguments])


def test_a_good_dataset_passes(copy):
    (copy / "audit.json").unlink()
    (copy / "report.html").unlink()
    result = invoke(str(copy))
    assert result.exit_code == 0
    shown = result.output.splitlines()
    assert shown[-1] == f"{copy}: passed, {len(shown) - 2} figures; see report.html there"
    assert sum(line.startswith("ok ") for line in shown) == len(shown) - 2
    assert any("depth, all" in line for line in shown)
    assert json.loads((copy / "audit.json").read_text())["passed"]
    assert (copy / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_the_last_line_names_the_failing_figure(broken):
    result = invoke(str(broken))
    assert result.exit_code == 1
    last = result.output.splitlines()[-1]
    assert last.startswith(f"{broken}: fails: empty answers is 1, bound 0 (the first in examples.parquet, row 3: ")
    assert "more, see report.html there)" in last
    assert any(line.startswith("FAILS  empty answers ") for line in result.output.splitlines())
    assert not json.loads((broken / "audit.json").read_text())["passed"]


def test_json_prints_audit_json_only(broken):
    result = invoke(str(broken), "--json")
    assert result.exit_code == 1
    assert result.stdout == (broken / "audit.json").read_text()
    assert "fails: empty answers" in result.stderr


def test_json_of_a_passing_dataset(copy):
    result = invoke(str(copy), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["passed"]


def test_another_tokenizer_fails_the_audit(copy, qwen_folder):
    result = invoke(str(copy), "--tokenizer", str(qwen_folder))
    assert result.exit_code == 1
    last = result.output.splitlines()[-1]
    assert "fails: another tokenizer than built for is 1, bound 0" in last
    assert str(qwen_folder) in last


def test_a_moved_tokenizer_can_be_given(copy, mistral_folder):
    damages.keys("build.json", tokenizer="/nowhere")(copy)
    result = invoke(str(copy))
    assert result.exit_code == 1
    assert "tokenizer `/nowhere`: there is no such folder" in result.stderr
    assert invoke(str(copy), "--tokenizer", str(mistral_folder)).exit_code == 0


def test_an_empty_folder_gives_one_sentence(tmp_path):
    result = invoke(str(tmp_path))
    assert result.exit_code == 1
    assert "not a dataset folder of `in2 build`" in result.stderr
    assert "Traceback" not in result.output

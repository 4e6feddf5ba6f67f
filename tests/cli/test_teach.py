"""`in2 teach` as a user runs it, and what it refuses."""

import json
import sys

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from tests.support.e2e_run import run
from tests.support.taught import scores_in, taught_dataset, teacher_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return taught_dataset(tmp_path_factory.mktemp("teach"))


def invoke(*arguments):
    return CliRunner().invoke(app, ["teach", *map(str, arguments)])


@pytest.mark.slow
def test_the_command_scores_measures_and_says_if_it_can_teach(folder, tmp_path):
    command = sys.executable, "-m", "in2_plugin.cli", "teach", folder, "--model", teacher_folder(), "--compare", 3
    said = run(*command, cwd=tmp_path)
    assert "scoring questions" in said and "exact from the gold alone" in said
    assert "it is not shown that there is something to distil: 0% of the answers are exact from the gold alone" in said
    report = json.loads((folder / "teacher/initial/teacher_report.json").read_text())
    assert report["teacher"]["top_k"] == 16 and report["depths"][-1]["questions"] > 3
    assert scores_in(folder)
    assert invoke(folder, "--model", teacher_folder(), "--quiet").exit_code == 0
    assert json.loads((folder / "teacher/initial/teacher_report.json").read_text()) == report


def test_gold_rows_alone(folder):
    result = invoke(folder, "--quiet")
    assert result.exit_code == 0 and "gold rows of" in result.output
    assert "`teacher: current` can use them" in result.output
    counts = json.loads(invoke(folder, "--quiet", "--json").stdout)
    assert counts["examples"] == 34 and counts["tokens"] > 1_000


def test_written_answers_become_a_dataset_of_their_own(folder, tmp_path):
    arguments = folder, "--model", teacher_folder(), "--sample", "-o", tmp_path / "new", "--max-new-tokens", 4
    result = invoke(*arguments, "--dtype", "float32", "--quiet")
    assert result.exit_code == 0, result.output
    assert "answers of the teacher" in result.output and "truncated" in result.output
    assert "0 of 40 answers about a context were written by" in " ".join(result.output.split())
    assert (tmp_path / "new" / "manifest.json").exists()
    found = json.loads(invoke(*arguments, "--quiet", "--json").stdout)
    assert found["questions"] == sum(found["outcomes"].values()) and found["written_tokens"] == found["stored_tokens"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--compare", 3), "--compare needs a teacher; add --model"),
        (("--model", "m", "--dtype", "int8"), "--dtype int8: choose float32 or bfloat16"),
        (("--model", "m", "--sample"), "add --model and --output"),
        (("--model", "m", "--sample", "-o", "new", "--top-k", 4), "--top-k 4: has no effect with --sample; remove it"),
        (("--model", "m", "--temperature", 1), "--temperature 1.0: needs --sample"),
        (("--model", "m", "--sample", "-o", "new", "--samples", 2), "--samples 2: without a temperature"),
    ],
)
def test_options_that_are_not_possible(folder, arguments, words):
    result = invoke(folder, *arguments)
    assert result.exit_code == 1 and words in result.output

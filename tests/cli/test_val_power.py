import json

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app


def power(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["val", "power", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_table_has_a_row_per_number_of_questions():
    lines = power().splitlines()
    assert [line.split()[0] for line in lines[1:8]] == ["10", "30", "50", "100", "200", "500", "1,000"]
    assert "95% confidence in 80% of runs with 4 contexts" in " ".join(lines[8:])


def test_thirty_questions_show_only_large_dips():
    (row,) = json.loads(power("--questions", "30", "--json"))
    assert row["questions"] == 480
    assert 0.15 < row["dip"] < row["change"] < row["gap_by_chance"]


def test_a_dip_gives_the_questions_that_it_needs():
    output = " ".join(power("--dip", "10").split())
    needed = json.loads(power("--dip", "10", "--json"))
    assert f"10 points in one model: {needed['questions_per_span']} questions per span" in output
    assert needed["questions_per_span_change"] > 1.9 * needed["questions_per_span"]


def test_contexts_that_differ_are_named_as_the_limit():
    assert "no number of questions shows 2 points" in " ".join(power("--dip", "2", "--context-deviation", "5").split())


def test_paired_depths_have_a_sentence():
    shown = json.loads(power("--paired", "--spans", "10", "--questions", "300", "--json"))
    assert (shown["questions"], shown["answers"]) == (300, 3000)
    needed = json.loads(power("--paired", "--spans", "10", "--dip", "8", "--json"))
    assert needed["dip"] <= 0.08
    output = " ".join(power("--paired", "--spans", "10").split())
    assert output.startswith("with 300 questions, each at 10 depths (3,000 answers), a dip of ")


@pytest.mark.parametrize("questions", ["1", "2", "3"])
def test_too_few_paired_questions_are_said(questions):
    arguments = ("--paired", "--spans", "5", "--questions", questions)
    assert json.loads(power(*arguments, "--json"))["dip"] is None
    assert "no dip would be seen: too few; ask more" in " ".join(power(*arguments).split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--paired", "--contexts", "4"), "--paired counts questions, not contexts"),
        (("--paired", "--context-deviation", "3"), "--paired counts questions, not contexts"),
        (("--paired", "--dip", "8", "--questions", "30"), "--dip prints the questions that it needs"),
        (("--dip", "8", "--questions", "30"), "--dip prints the questions that it needs"),
    ],
)
def test_options_that_would_be_ignored_are_refused(arguments, message):
    refused = CliRunner().invoke(app, ["val", "power", *arguments])
    assert refused.exit_code == 1 and message in " ".join(refused.output.split())

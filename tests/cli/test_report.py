import json

import pytest
import typer
from typer.testing import CliRunner

from in2_plugin.cli.report import report
from in2_plugin.errors import ConfigError, ReportError
from tests.support import lm_eval_results as made
from tests.support import position_results


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(report)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_scores_and_paths_are_printed(run, before, after, tmp_path):
    result = run("before", "after", "-o", "out/film.html", "--label", "Base", "--label", "[bold]FILM")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert " ".join(lines[0].split()) == "Ends - middle/Avg/Gap, % Document Code Database All"
    first = " ".join(lines[1].split())
    assert first == "Base +9.7/74.2/32.0 +27.5/20.4/59.5 +43.3/47.5/77.0 +26.8/47.4/56.2"
    assert lines[2].startswith("[bold]FILM ")
    assert "FILM-7B (paper, 32K, 7B)" in result.stdout
    assert lines[-5].startswith("[bold]FILM, document: not known. The difference needs the scores of single questions")
    assert "From Base to [bold]FILM, ends minus middle" in lines[-2]
    assert lines[-1] == "wrote out/film.html, out/film.json, out/film.png"
    assert (tmp_path / "out" / "film.html").is_file()


def test_output_outside_a_terminal_is_plain(run, before):
    result = run("before")
    assert "\x1b" not in result.output
    assert not set("─━│┃╭╰") & set(result.output)


def test_the_default_output_is_the_current_folder(run, before, tmp_path):
    run("before")
    assert sorted(path.name for path in tmp_path.glob("report.*")) == ["report.html", "report.json", "report.png"]


def test_warnings_go_to_stderr_and_notes_to_stdout(run, before, tmp_path):
    made.write(tmp_path / "short", made.content("m", made.paper_spans("FILM"), probe_length=4096))
    newer = made.content("m", {"code": made.paper_spans("FILM")["code"]}, probe_length=4096)
    made.write(tmp_path / "short", newer | {"date": made.DATE + 1}, "2026-11-22T00-00-00.000000")
    result = run("before", "short")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: probe_length differs on document, code and database: 32768 (Mistral")
    assert "short: 2 files hold val_probe_code; took the newest, results_2026-11-22" in result.stdout


def test_unfinished_thoughts_are_a_warning(run, tmp_path):
    value = made.content("m", {"code": made.paper_spans("FILM")["code"]}, rows=16)
    value["results"]["val_probe_code"]["unfinished_thoughts,none"] = 0.5
    made.write(tmp_path / "m", value)
    assert run("m").stderr.startswith("warning: m: 8 of 16 answers on code (50.0%) end inside a thought")


def test_missing_results_raise_a_report_error(run, tmp_path):
    result = run(tmp_path)
    assert isinstance(result.exception, ReportError)


def test_results_are_required(run):
    assert run().exit_code == 2


def test_lengths_have_a_table_with_the_effective_length(run, rich_folder, rich):
    result = run(rich_folder / "Mistral", rich_folder / "FILM")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith("Code by length, Avg/Gap, %"))
    assert lines[start].split()[-5:] == ["4K", "8K", "32K", "effective", "length"]
    assert lines[start + 1].split()[:2] == ["Mistral", scores(rich.models[0].of_family("", "code")[0])]
    assert lines[-2] == rich.summary


def scores(result):
    return f"{100 * result.score.avg:.1f}/{100 * result.score.gap:.1f}"


def test_without_probes_only_the_path_is_printed(run, tmp_path):
    made.write(tmp_path / "suite", {"results": {"mmlu": {"acc,none": 0.5}}, "model_name": "m", "n-shot": {"mmlu": 5}})
    result = run("suite")
    assert result.stdout == "wrote report.html, report.json\n", result.output


def test_a_card_needs_a_probe(run, tmp_path):
    made.write(tmp_path / "suite", {"results": {"mmlu": {"acc,none": 0.5}}, "model_name": "m", "n-shot": {"mmlu": 5}})
    result = run("suite", "--card")
    assert isinstance(result.exception, ReportError)
    assert str(result.exception).startswith("there are no results of a probe")


@pytest.fixture
def probed(tmp_path):
    position_results.write(tmp_path / "m", "org/m", position_results.only_ends)
    return tmp_path / "m"


def test_position_probes_have_a_table_and_a_sentence(run, probed):
    result = run(probed)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "Position probe, % model length gold alone avg ends - middle closed book"
    assert lines[1] == "Multi-document questions m 4K 100.0 40.0 +100.0 0.0"
    assert lines[2].startswith("litm_qa: m loses the middle of the context.")


def test_json_on_stdout_is_the_json_file(run, probed, tmp_path):
    result = run(probed, "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "report.json").read_text())
    assert result.stderr.startswith("wrote ")


def test_a_card_is_printed_alone(run, probed):
    result = run(probed, "--card")
    assert result.stdout.startswith("---\nmodel-index:\n")
    assert "| Multi-document questions, 4K | m |" in result.stdout
    assert isinstance(run(probed, "--card", "--json").exception, ConfigError)

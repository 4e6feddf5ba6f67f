"""Results of the paper's other tables are read and shown next to its numbers."""

import json
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from in2_plugin.errors import ConfigError, ReportError
from in2_plugin.reporting.suite import table as suite_module
from in2_plugin.reporting.suite.benchmarks import (
    FEWSHOT,
    LONGBENCH,
    MATH_TASKS,
    PAPER_TABLES,
    RULER,
    RULER_TASKS,
    SHORT,
)
from in2_plugin.reporting.suite.table import read_suite

Numbers = dict[str, dict[str, float]]


def write(folder: Path, results: Numbers, date: float = 1.0, **more: Any) -> Path:
    """Return a results file as lm_eval writes it; `more` replaces its other sections."""
    shots = {"gsm8k": 8, **dict.fromkeys(MATH_TASKS, 4)}
    content = {
        "results": {name: {"alias": name, **values} for name, values in results.items()},
        "n-shot": {name: shots.get(name, 0) for name in results},
        "n-samples": {name: {"original": 100, "effective": 100} for name in results},
        "group_subtasks": {},
        "date": date,
        "model_name": "m",
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"results_{date}.json"
    path.write_text(json.dumps(content))
    return path


def of_table(paper, score: float, stderr: float = 0.01) -> Numbers:
    """Return results in which every row of a table of single tasks scores `score`."""
    rows = {}
    for row in paper.rows:
        metric, _, kind = row.metric.partition(",")
        rows[row.tasks[0]] = {row.metric: score, f"{metric}_stderr,{kind}": stderr}
    return rows


def cells(suite, table: str, title: str):
    (found,) = [one for one in suite.tables if one.name == table]
    rows = [*found.rows, *([found.average] if found.average else [])]
    return next(row.cells for row in rows if row.title == title)


def test_a_complete_table_has_an_average(tmp_path):
    suite = read_suite([write(tmp_path, of_table(LONGBENCH, 0.5, 0.03))], ["a"])
    assert [table.name for table in suite.tables] == ["longbench"] and len(suite.tables[0].rows) == 9
    assert suite.tables[0].paper == ("Mistral-7B-Instruct-v0.2", "FILM-7B", "GPT-4-Turbo")
    (cell,) = cells(suite, "longbench", "Average")
    assert cell.value == pytest.approx(0.5) and cell.stderr == pytest.approx(0.01)
    assert (cell.percent, cell.error, cell.marks) == ("50.0", "± 1.0", ())


@pytest.mark.parametrize("paper", [LONGBENCH, FEWSHOT, RULER])
def test_the_papers_averages_match_its_rows(paper):
    for index, average in enumerate(paper.average):
        assert sum(row.paper[index] for row in paper.rows) / len(paper.rows) == pytest.approx(average, abs=0.051)


def test_every_row_of_the_paper_has_a_number_per_model():
    assert all(len(row.paper) == len(table.paper) for table in PAPER_TABLES for row in table.rows)


def test_an_incomplete_table_has_no_average(tmp_path):
    numbers = of_table(FEWSHOT, 0.5)
    del numbers["longbench_trec"]
    suite = read_suite([write(tmp_path, numbers)], ["a"])
    assert cells(suite, "fewshot", "TREC") == (None,) == cells(suite, "fewshot", "Average")


def test_models_are_columns_of_one_table(tmp_path):
    write(tmp_path / "a", of_table(FEWSHOT, 0.5))
    write(tmp_path / "b", {"boolq": {"acc,none": 0.75, "acc_stderr,none": 0.02}})
    suite = read_suite([tmp_path / "a", tmp_path / "b"], ["before", "after"])
    assert suite.labels == ("before", "after") and [table.name for table in suite.tables] == ["fewshot", "short"]
    assert [cell and cell.value for cell in cells(suite, "short", "BoolQ")] == [None, 0.75]
    assert [cell and cell.value for cell in cells(suite, "fewshot", "SAMSum")] == [0.5, None]


def test_other_shots_and_fewer_items_are_marked_and_not_averaged(tmp_path):
    counts = {"longbench_trec": {"original": 200, "effective": 20}}
    numbers = of_table(FEWSHOT, 0.5)
    path = write(tmp_path, numbers, **{"n-samples": counts, "n-shot": {"longbench_samsum": 2, "longbench_trec": 0}})
    suite = read_suite([path], ["a"])
    assert cells(suite, "fewshot", "TREC")[0].marks == ("20 of 200 items",)
    assert cells(suite, "fewshot", "SAMSum")[0].marks == ("2-shot",)
    assert cells(suite, "fewshot", "TriviaQA")[0].marks == ()
    assert cells(suite, "fewshot", "Average") == (None,)


def test_the_newest_number_is_used(tmp_path):
    write(tmp_path, {"boolq": {"acc,none": 0.25}, "race": {"acc,none": 0.5}}, date=1.0)
    write(tmp_path, {"boolq": {"acc,none": 0.75}}, date=2.0)
    suite = read_suite([tmp_path], ["a"])
    assert cells(suite, "short", "BoolQ")[0].value == 0.75 and cells(suite, "short", "RACE-H")[0].value == 0.5
    assert cells(suite, "short", "BoolQ")[0].error == ""


@pytest.mark.parametrize("name", ["film_mmlu", "mmlu"])
@pytest.mark.parametrize(("shots", "marks"), [((5, 5), ()), ((0, 0), ("0-shot",)), ((5, 0), ("0 and 5-shot",))])
def test_mmlu_is_a_group_of_groups(tmp_path, name, shots, marks):
    parts = {name: ["mmlu_stem", "mmlu_law"], "mmlu_stem": ["mmlu_physics"]}
    path = write(
        tmp_path, {name: {"acc,none": 0.5, "acc_stderr,none": 0.1}},
        group_subtasks=parts, **{"n-shot": dict(zip(("mmlu_physics", "mmlu_law"), shots, strict=True))},
    )  # fmt: skip
    (cell,) = cells(read_suite([path], ["a"]), "short", "MMLU")
    assert (cell.value, cell.stderr, cell.marks) == (0.5, 0.1, marks)


def test_math_weights_its_subjects_by_size(tmp_path):
    numbers = {name: {"exact_match,none": 0.0, "exact_match_stderr,none": 0.0} for name in MATH_TASKS}
    numbers[MATH_TASKS[0]] = {"exact_match,none": 1.0, "exact_match_stderr,none": 0.05}
    counts = {name: {"original": 400 if name == MATH_TASKS[0] else 100, "effective": 0} for name in MATH_TASKS}
    counts = {name: {"original": one["original"], "effective": one["original"]} for name, one in counts.items()}
    (cell,) = cells(read_suite([write(tmp_path, numbers, **{"n-samples": counts})], ["a"]), "short", "MATH")
    assert cell.value == pytest.approx(0.4) and cell.stderr == pytest.approx(0.02) and cell.marks == ()
    del numbers[MATH_TASKS[1]]
    assert read_suite([write(tmp_path / "part", numbers)], ["a"]) is None


def test_ruler_lengths_may_come_from_several_runs(tmp_path):
    for date, length, score in ((1.0, "4096", 0.75), (2.0, "8192", 0.5)):
        values = {f"{n},none": -1 for n in (4096, 8192, 16384)} | {f"{length},none": score}
        write(tmp_path, dict.fromkeys(RULER_TASKS, values), date=date)
    suite = read_suite([tmp_path], ["a"])
    assert [cells(suite, "ruler", title)[0].value for title in ("4K", "8K")] == pytest.approx([0.75, 0.5])
    assert cells(suite, "ruler", "16K") == (None,) == cells(suite, "ruler", "Average")


def test_results_without_suite_tasks_give_no_tables(tmp_path):
    assert read_suite([write(tmp_path, {"val_probe_code": {"avg,none": 0.5}})], ["a"]) is None


@pytest.mark.parametrize("value", [50.0, -0.1, "0.5", True])
def test_a_score_that_is_not_a_fraction_is_an_error(tmp_path, value):
    path = write(tmp_path, {"longbench_trec": {"classification_score,none": value}})
    with pytest.raises(ReportError, match=rf"{path}: longbench_trec has .*_score,none = .*0\.4\.11 or newer"):
        read_suite([path], ["a"])


def test_a_folder_with_two_models_is_an_error(tmp_path):
    for date, name in ((1.0, "one"), (2.0, "two")):
        write(tmp_path, {"boolq": {"acc,none": 0.5}}, date=date, model_name=name)
    with pytest.raises(ReportError, match=r"holds results of 2 models \(one, two\); give one folder each"):
        read_suite([tmp_path], ["a"])


def test_damaged_files_and_missing_labels_are_errors(tmp_path):
    (tmp_path / "results_1.json").write_text("{")
    with pytest.raises(ReportError, match="is not a results file of lm_eval"):
        read_suite([tmp_path], ["a"])
    with pytest.raises(ConfigError, match="1 results but 0 labels"):
        read_suite([tmp_path], [])


def test_the_json_report_contains_every_number(tmp_path):
    numbers = of_table(SHORT, 0.5)
    path = write(tmp_path, numbers, **{"n-shot": {"gsm8k": 5}})
    record = json.loads(json.dumps(read_suite([path], ["a"]).as_json()))
    rows = {row["title"]: row for row in record["short"]["rows"]}
    assert rows["GSM8K"] == {
        "title": "GSM8K", "metric": "exact_match,strict-match", "shots": 8,
        "models": {"a": {"score": 0.5, "stderr": 0.01, "differs": ["5-shot"]}},
        "paper": {"Mistral-7B-Instruct-v0.2": 0.404, "FILM-7B": 0.445},
    }  # fmt: skip
    assert rows["MATH"]["models"] == {"a": None} and "Average" not in rows


def test_the_page_shows_every_number_and_escapes_labels(tmp_path):
    path = write(tmp_path, of_table(FEWSHOT, 0.625), **{"n-shot": {"longbench_trec": 3}})
    suite = read_suite([path], ["<a>"])
    folder = Path(suite_module.__file__).parents[1] / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("suite.html.j2").render(suite=suite)
    assert page.count("62.5<") == 3 and "± 1.0 <strong>3-shot</strong>" in page and "&lt;a&gt;" in page
    for number in (71.0, 90.0, 39.7, 63.8, 69.5):
        assert f">{number}</td>" in page
    assert page.count("<tbody>") == page.count("</tbody>") == 2 and "<a>" not in page

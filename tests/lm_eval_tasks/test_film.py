"""The groups of the paper's other tables: resolved by the real lm_eval, known to the report, and one of them run."""

import json
from pathlib import Path

import pytest
import yaml

from in2_plugin.reporting.suite.benchmarks import MATH_TASKS, PAPER_TABLES, RULER_TASKS
from in2_plugin.reporting.suite.table import read_suite
from tests.support.e2e_run import ROOT, run
from tests.support.tiny_model import save_tiny_mistral

FOLDER = ROOT / "lm_eval_tasks"
GROUPS = {path.stem: yaml.safe_load(path.read_text()) for path in (FOLDER / "film").glob("*.yaml")}
BENCHMARKS = [row for table in PAPER_TABLES for row in table.rows]


def resolved(python: str, group: str, folder: Path) -> dict[str, int]:
    """Return the shots of every task of a group, as lm_eval resolves them."""
    said = run(python, ROOT / "tests/support/resolved_tasks.py", FOLDER, group, cwd=folder)
    return json.loads(said.strip().splitlines()[-1])


@pytest.mark.slow
@pytest.mark.e2e_full
def test_lm_eval_finds_and_lists_every_group(lm_eval_python, tmp_path):
    names = ",".join(GROUPS)
    said = run(lm_eval_python, "-m", "lm_eval", "validate", "--tasks", names, "--include_path", FOLDER, cwd=tmp_path)
    assert "All tasks found and valid" in said
    listed = run(lm_eval_python, "-m", "lm_eval", "ls", "groups", "--include_path", FOLDER, cwd=tmp_path)
    assert all(f"| {name} " in listed.replace("|", "| ").replace("  ", " ") for name in GROUPS)


@pytest.mark.slow
@pytest.mark.e2e_full
def test_every_task_has_the_shots_of_the_paper(lm_eval_python, tmp_path):
    shots = resolved(lm_eval_python, "film_suite", tmp_path)
    subjects = {task for task in shots if task.startswith("mmlu_")}
    assert len(subjects) == 57 and {shots[task] for task in subjects} == {5}
    others = {task: row.shots for row in BENCHMARKS if "ruler_cwe" not in row.tasks for task in row.tasks}
    del others["film_mmlu"]
    assert {task: value for task, value in shots.items() if task not in subjects} == others
    assert resolved(lm_eval_python, "film_ruler", tmp_path) == dict.fromkeys(RULER_TASKS, 0)


def test_the_report_knows_every_task_of_the_groups():
    members = {
        part if isinstance(part, str) else part["task"]
        for name, group in GROUPS.items() if name not in ("film_mmlu", "film_suite")
        for part in group["task"]
    }  # fmt: skip
    assert members - {"film_math"} == {task for row in BENCHMARKS for task in row.tasks}
    assert GROUPS["film_math"]["task"] == list(MATH_TASKS)
    assert set(GROUPS["film_suite"]["task"]) == {"film_longbench", "film_fewshot", "film_short"}


def test_group_names_do_not_clash_with_lm_eval():
    assert all(name == group["group"] and name.startswith("film_") for name, group in GROUPS.items())
    assert all("tag" not in group for group in GROUPS.values())


def invented_mmlu(folder: Path, subjects: list[str]) -> None:
    """Write a dataset in MMLU's format where lm_eval looks first: in the working folder, under its name on the hub."""
    data = folder / "cais/mmlu"
    configs = []
    for subject in subjects:
        (data / subject).mkdir(parents=True)
        for split, count in (("dev", 5), ("test", 2)):
            rows = [
                {"question": f"What is {n} and {n}?", "subject": subject, "choices": ["1", "2", "4", "6"], "answer": n}
                for n in range(count)
            ]
            text = "\n".join(json.dumps({**row, "answer": row["answer"] % 4}) for row in rows)
            (data / subject / f"{split}.jsonl").write_text(text)
        files = [{"split": split, "path": f"{subject}/{split}.jsonl"} for split in ("dev", "test")]
        configs.append({"config_name": subject, "data_files": files})
    (data / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")


@pytest.mark.slow
@pytest.mark.e2e_full
def test_mmlu_runs_with_five_shots_and_the_report_reads_it(lm_eval_python, tmp_path):
    model = save_tiny_mistral(tmp_path / "model", window=2_048)
    invented_mmlu(tmp_path, [task.removeprefix("mmlu_") for task in resolved(lm_eval_python, "film_mmlu", tmp_path)])
    run(
        lm_eval_python, "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={model}", "--device", "cpu",
        "--tasks", "film_mmlu", "--include_path", FOLDER, "--output_path", "out", "--log_samples", "--batch_size", 16,
        cwd=tmp_path,
    )  # fmt: skip
    (path,) = (tmp_path / "out").rglob("results_*.json")
    found = json.loads(path.read_text())
    assert found["n-shot"]["mmlu_anatomy"] == 5 and len(found["group_subtasks"]["film_mmlu"]) == 57
    (samples,) = (tmp_path / "out").rglob("samples_mmlu_anatomy_*.jsonl")
    prompt = json.loads(samples.read_text().splitlines()[0])["arguments"]["gen_args_0"]["arg_0"]
    assert prompt.count("Answer:") == 6
    suite = read_suite([path], ["tiny"])
    (cell,) = suite.tables[0].rows[0].cells
    accuracies = [found["results"][f"mmlu_{name.name}"]["acc,none"] for name in (tmp_path / "cais/mmlu").glob("[!R]*")]
    assert cell.marks == () and cell.value == pytest.approx(sum(accuracies) / 57) and cell.stderr > 0

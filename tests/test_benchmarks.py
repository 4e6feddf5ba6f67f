"""The benchmarks run, at a very small size, and print their tables."""

import importlib
import json
import sys
from itertools import pairwise

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.support.e2e_run import ROOT, run

pytestmark = pytest.mark.slow


def tables(said: str) -> list[list[dict[str, str]]]:
    """The markdown tables of an output, as rows by column."""
    found: list[list[list[str]]] = []
    lines = ["", *said.splitlines()]
    for before, line in pairwise(lines):
        if line.startswith("| "):
            if not before.startswith("|"):
                found.append([])
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
    return [[dict(zip(head, row, strict=True)) for row in rows] for head, *rows in found]


def training_data(folder, *sections: str) -> list[list[dict[str, str]]]:
    """The tables of some sections; many programs are started one after the other, which takes minutes."""
    command = [sys.executable, ROOT / "benchmarks/training_data.py", "--quick", "--only", *sections]
    return tables(run(*command, cwd=folder, timeout=1_800))


@pytest.mark.e2e_full
def test_all_preparations_have_the_same_ids_and_ours_takes_the_least_room(tmp_path):
    speed, disk = training_data(tmp_path, "speed", "disk")
    assert [row["same ids"] for row in speed] == ["8 of 8"] * 4 + ["-"] * 2
    assert [int(row["in2 takes 1 /"].replace(",", "")) > 1 for row in disk[:-1]] == [True] * 3


@pytest.mark.e2e_full
def test_memory_start_and_order_of_planned_examples(tmp_path):
    memory, start, order = training_data(tmp_path, "memory", "start", "order")
    assert [row["planned examples"] for row in memory + start] == ["100", "300"] * 2
    simulated = [row for row in order if "simulated" in row["ranks"]]
    assert [row["ranks"].split(",")[0] for row in simulated] == ["2", "16", "128"]
    assert all(float(row["length-balanced"].strip("%")) >= 95 for row in simulated)


@pytest.mark.e2e_full
def test_answer_logits_compares_the_two_ways(tmp_path):
    script = ROOT / "benchmarks/answer_logits.py"
    said = run(sys.executable, script, "--quick", "--device", "cpu", cwd=tmp_path)
    ((row,),) = tables(said)
    assert (row["vocabulary"], row["tokens"]) == ("1,000", "256")
    loss, gradients = map(float, row["difference of loss / gradients"].split(" / "))
    assert loss < 1e-5 and gradients < 1e-5


@pytest.mark.e2e_full
def test_val_probing_scores_perfect_answers(tmp_path):
    command = (sys.executable, ROOT / "benchmarks/val_probing.py", "--quick")
    files, asked = tables(run(*command, cwd=tmp_path, timeout=1_800))
    assert [row["prompts"] for row in files] == ["32", "32", "32", "96"]
    assert [row["perfect"] for row in files] == ["100"] * 3 + ["100, 100, 100"]
    assert [row["prompts made"] for row in asked] == ["99", "99"]


@pytest.mark.e2e_full
def test_shared_context_compares_reading_once_with_generate(tmp_path):
    script = ROOT / "benchmarks/shared_context.py"
    said = run(sys.executable, script, "--quick", "--device", "cpu", "--batch", "5", cwd=tmp_path)
    ((ours, other),) = tables(said)
    assert (ours["context"], ours["method"], other["method"]) == ("256", "read once", "generate, batch 5")
    assert ours["same"] == other["same"] == "12 of 12"
    tokens = [int(row["prompt tokens read"].replace(",", "")) for row in (ours, other)]
    assert tokens[1] > 12 * 256 > 3 * tokens[0] and float(other["times more"]) == pytest.approx(
        tokens[1] / tokens[0], abs=0.05
    )


@pytest.fixture
def answer_logits(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("answer_logits")


def test_what_cannot_fit_is_said_and_not_tried(answer_logits):
    job = {"device": "cpu", "way": "full", "tokens": 32_768, "vocabulary": 10**8}
    assert answer_logits.cell(job) == "does not fit: 39322 GB by estimate, not tried"


def test_a_cell_that_runs_out_of_memory_says_so(answer_logits, tmp_path):
    """Embeddings of a terabyte, which no estimate of logits sees."""
    job = {"device": "cpu", "shape": "quick", "way": "at answers", "tokens": 256, "vocabulary": 10**10}
    assert answer_logits.cell({**job, "gradients": str(tmp_path / "gradients.pt")}) == "out of memory"


def test_on_a_gpu_the_model_has_the_shape_of_mistral_7b(answer_logits):
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(answer_logits.config_of("cuda", 32_000, 32_768))
    assert model.num_parameters() == 7_241_732_096


def test_openings_are_counted_and_timed(built, dataset, tmp_path):
    said = run(sys.executable, ROOT / "benchmarks/openings.py", built, cwd=tmp_path)
    (counted,), (timed,) = tables(said)
    assert counted["answers"] == str(sum(row["part"] == "fine_grained" for row in dataset.rows()))
    assert timed["answers"] == "1.0"
    assert float(timed["ms to make the plan"]) > 0


def test_planning_is_timed_and_compared_with_another_checkout(built, tmp_path):
    command = (ROOT / "benchmarks/planning.py", built, "--questions", "40", "--runs", "1", "--other", ROOT)
    (rows,) = tables(run(sys.executable, *command, cwd=tmp_path))
    steps = ["fine-grained questions", "integration questions", "contexts drawn", "examples planned"]
    assert [row["step"] for row in rows] == steps
    assert {row["same bytes"] for row in rows} == {"yes"}
    assert all(int(row["results"]) > 0 and float(row["CPU s"]) > 0 for row in rows)


@pytest.mark.e2e_full
def test_scale_has_the_same_bytes_from_both_engines(tmp_path, mistral_folder):
    """A corpus of one shard, which the driver makes by itself: every phase is there, and every table."""
    figures = tmp_path / "figures.json"
    command = (ROOT / "benchmarks/scale.py", mistral_folder, "--mb", "1", "--longest", "4500", "--json", figures)
    speed, spent, held = tables(run(sys.executable, *command, cwd=tmp_path, timeout=1_800))
    assert [row["stage"] for row in speed] == ["cut", "screen", "questions", "examples", "plans"]
    assert {row["same bytes"] for row in speed} == {"yes"}
    phases = ["start", "cut", "merge", "screen", "bands", "questions", "draw", "place", "write", "plans", "lay"]
    assert [(row["engine"], row["phase"]) for row in spent] == [(e, p) for e in ("local", "ray") for p in phases]
    assert [row["engine"] for row in held] == ["local", "ray"]
    found = json.loads(figures.read_text())["builds"]
    assert [build["facts"]["questions"] for build in found] == [build["facts"]["examples"] for build in found]
    assert found[0]["facts"] == found[1]["facts"] and found[0]["facts"]["questions"] >= 16
    driver = [sum(phase["driver"] for phase in build["phases"].values()) for build in found]
    assert min(driver) > 0 and all(build["parts_mb"]["segments-0"] > 1 for build in found)

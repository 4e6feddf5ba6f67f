"""A whole study with a tiny random model, killed twice and copied; its weights are those of an uninterrupted one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from benchmarks.evidence.rows import Rows
from tests.support.e2e_run import ENVIRONMENT, ROOT, run
from tests.support.small_study import write_study
from tests.support.tiny_model import save_tiny_mistral

pytestmark = [pytest.mark.slow, pytest.mark.e2e_full]
ARMS = ("--arms", "uniform")
COMMAND = (sys.executable, "-m", "benchmarks.evidence", "run", "--out")


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> tuple[object, ...]:
    """The arguments of a new study."""
    folder = tmp_path_factory.mktemp("start")
    (folder / "model").mkdir()
    save_tiny_mistral(folder / "model", 2_048)
    study = write_study(folder / "study.yml", probe_untrained=False)
    return "--study", study, "--model", folder / "model", *ARMS


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory) -> Path:
    """A study that was not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    run(*COMMAND, folder / "study", *start, cwd=ROOT, timeout=1_800)
    return folder / "study"


def kill_when(command: tuple[object, ...], reached) -> None:
    """Start the harness, and kill it alone with SIGKILL when `reached` is true; its programs end with it."""
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 900
    while not reached():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_a_study_that_is_killed_and_copied_gives_the_same_weights(start, whole, tmp_path):
    first, copy = tmp_path / "first", tmp_path / "copy"
    kill_when((*COMMAND, first, *start), lambda: list(first.glob("models/first-s0/checkpoint-4")))
    shutil.copytree(first, copy)
    shutil.rmtree(first)
    again = (*COMMAND, copy, *ARMS, "--measures")
    kill_when(again, lambda: list(copy.glob("models/uniform-s0/checkpoint-2/optimizer.pt")))
    run(*again, cwd=ROOT, timeout=1_800)
    for name in ("first-s0", "uniform-s0"):
        weights, expected = (load_file(folder / f"models/{name}/model.safetensors") for folder in (copy, whole))
        assert weights.keys() == expected.keys()
        assert all((weights[key] == expected[key]).all() for key in expected), name
    assert {row["measure"] for row in Rows(copy).all} == {"train"}


def test_every_cell_has_a_row_and_the_report_reads_them(whole, tmp_path):
    rows = Rows(whole)
    cells = [(row["arm"], row["measure"]) for row in rows.all]
    assert cells == [("first", "train"), *(("uniform", one) for one in ("train", "own", "losses", "choices"))]
    assert {unit.task for row in rows.all for unit in rows.scores(row)} == {
        "in2_probe_context", "in2_probe_closed_book", "in2_probe_gold_only", "choices", "text_prose", "text_code",
        "text_dialogue", "held_out_answer", "held_out_opening", "held_out_exact",
    }  # fmt: skip
    units = [unit for row in rows.all for unit in rows.scores(row)]
    assert all(unit.context >= 0 for unit in units if unit.task.startswith(("in2_probe_context", "held_out")))
    assert not (whole / "cache").exists()
    run(sys.executable, "-m", "benchmarks.evidence", "report", whole, "-o", tmp_path / "page", cwd=ROOT)
    page = (tmp_path / "page/README.md").read_text()
    assert "**Not a registered study.**" in page and "| uniform | 16 | 4 |" in page


def test_a_finished_study_runs_nothing(whole):
    said = run(*COMMAND, whole, *ARMS, cwd=ROOT)
    assert "5 of 5 cells are finished; nothing remains" in said

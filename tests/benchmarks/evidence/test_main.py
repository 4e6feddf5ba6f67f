"""The command line."""

import subprocess
import sys

import pytest

from benchmarks.evidence import __main__ as program
from benchmarks.evidence.running import folder as folders
from in2_plugin.io.lock import folder_lock
from tests.support.small_study import write_study


def call(monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["evidence", *map(str, arguments)])
    program.main()


def test_power_prints_a_table(monkeypatch, capsys):
    call(monkeypatch, "power", "--effects", 30, "--deviations", 0, "--seeds", 3, "--runs", 20)
    assert "| 30 | 0 | " in capsys.readouterr().out


def test_invented_results_are_reported_to_a_given_folder(monkeypatch, tmp_path, capsys):
    call(monkeypatch, "invent", tmp_path / "study", "--dips", "start=20", "uniform=0", "--questions", 30, "--seeds", 2)
    with pytest.raises(SystemExit, match=r"error: .*has invented rows"):
        call(monkeypatch, "report", tmp_path / "study")
    call(monkeypatch, "report", tmp_path / "study", "-o", tmp_path / "page")
    assert (tmp_path / "page/README.md").exists() and "wrote" in capsys.readouterr().out


@pytest.mark.parametrize(("dips", "said"), [("start", "write ARM=POINTS"), ("stort=3", "the study has no arm stort")])
def test_wrong_dips_are_one_sentence(monkeypatch, tmp_path, dips, said):
    with pytest.raises(SystemExit, match=said):
        call(monkeypatch, "invent", tmp_path / "study", "--dips", dips)


def test_the_plan_lists_what_remains_and_unknown_arms_are_named(monkeypatch, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    monkeypatch.setattr(folders, "_dtype", lambda device: "float32")
    run = ("run", "--out", tmp_path / "out")
    call(monkeypatch, *run, "--study", write_study(tmp_path / "s.yml"), "--model", tmp_path / "model", "--plan")
    with folder_lock(tmp_path / "out", name="study.lock"):  # as while the study runs
        call(monkeypatch, *run, "--plan")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "base-s0 losses" and "uniform-s0 train" in said and said[-1].startswith("14 remain")
    with pytest.raises(SystemExit, match="--arms: the study has no unform; choose of start, edges, uniform"):
        call(monkeypatch, *run, "--arms", "unform")
    with pytest.raises(SystemExit, match="--seeds: the study has no 7"):
        call(monkeypatch, *run, "--seeds", 7)


def test_help_needs_no_model_library():
    command = "import sys; from benchmarks.evidence.__main__ import parser; parser(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

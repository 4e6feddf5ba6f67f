"""The script for a rented GPU runs from start to end on the CPU, at a small size."""

import os
import subprocess

import pytest

from benchmarks.evidence.study import STUDY, load_study
from tests.support.e2e_run import ENVIRONMENT, ROOT
from tests.support.small_study import write_study
from tests.support.tiny_model import save_tiny_mistral

SCRIPT = ROOT / "benchmarks/gpu/evidence.sh"


@pytest.mark.slow
@pytest.mark.e2e_full
def test_all_parts_run(tmp_path):
    (tmp_path / "model").mkdir()
    save_tiny_mistral(tmp_path / "model", 2_048)
    study = write_study(tmp_path / "study.yml", probe_untrained=False)
    small = {"DEVICE": "cpu", "QUICK": "1", "STUDY": str(study), "LIMIT": "1200"}
    command = [SCRIPT, tmp_path / "out", tmp_path / "model"]
    done = subprocess.run(command, env=ENVIRONMENT | small, text=True, capture_output=True, check=False, timeout=3_000)
    assert done.returncode == 0, done.stderr
    summary = (tmp_path / "out/summary.txt").read_text().splitlines()
    names = ["answer_logits", "shared_context", "study", "report"]
    assert [line.partition(" after")[0] for line in summary] == [f"{name}: exit status 0" for name in names]
    assert (tmp_path / "out/page/README.md").exists()


def test_the_script_is_executable_and_parses():
    assert os.access(SCRIPT, os.X_OK)
    subprocess.run(["bash", "-n", SCRIPT], check=True)


def test_its_study_is_the_shipped_one_with_fewer_questions():
    small, study = load_study(SCRIPT.with_suffix(".yml")), load_study(STUDY)
    assert len(small.seeds) == 1 and small.probe_seed != study.probe_seed
    assert small.first_training() == study.first_training()
    for arm in small.trained_arms:
        assert small.second_training(arm) == study.second_training(arm)
        assert small.second_build(arm) | {"mixture": {}} == study.second_build(arm) | {"mixture": {}}
    smaller = {"fine_grained", "lengths"}
    assert {key for key, value in study.own_probe.items() if small.own_probe[key] != value} == smaller

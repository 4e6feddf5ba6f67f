"""Check what run.sh of the smoke recipe prints, with fakes for `in2`, `axolotl` and `make_model.py`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import ROOT

SMOKE = ROOT / "recipes/smoke"
NOISE = 'for i in $(seq 100); do echo "noise $i"; echo "noise $i" >&2; done\n'
IN2 = f"""#!/bin/bash
case "$1" in lm-eval) {NOISE} ;; *) echo "in2 $1" ;; esac
"""
AXOLOTL = f"""#!/bin/bash
{NOISE}
mkdir -p out/checkpoint-40 && cp "$STATE" out/checkpoint-40/trainer_state.json
"""
PYTHON = f"""#!/bin/bash
case "$1" in make_model.py) echo "warning" >&2; echo "model: 5 parameters" ;; *) exec {sys.executable} "$@" ;; esac
"""
HISTORY = [
    {"step": 20, "loss": 1.4, "in2/loss_depth_00_20": 1.504, "in2/loss_depth_80_100": 1.25},
    {"step": 40, "loss": 0.5, **{f"in2/loss_depth_{i:02d}_{i + 20}": 0.5 + i / 100 for i in range(0, 100, 20)}},
    {"step": 40, "train_runtime": 3.0},
]


@pytest.fixture
def demo(tmp_path):
    """Return a function that starts run.sh; keyword arguments replace fakes."""
    programs = tmp_path / "programs"
    programs.mkdir()
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"log_history": HISTORY}))

    def start(**fakes: str) -> subprocess.Popen:
        for name, text in {"in2": IN2, "axolotl": AXOLOTL, "python": PYTHON, **fakes}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        return subprocess.Popen(
            [SMOKE / "run.sh", tmp_path / "work"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": f"{programs}:/usr/bin:/bin", "STATE": str(state)}, start_new_session=True,
        )  # fmt: skip

    return start


def test_the_output_of_hosts_goes_to_logs(demo, tmp_path):
    screen, errors = demo().communicate(timeout=60)
    lines = screen.splitlines()
    assert errors == "" and "noise" not in screen and len(lines) <= 25
    assert "model: 5 parameters" in lines and "in2 build" in lines and "in2 report" in lines
    logs = {path.name: path.read_text() for path in (tmp_path / "work/logs").iterdir()}
    assert sorted(logs) == ["model.log", "probes-after.log", "probes-before.log", "report.log", "training.log"]
    assert logs["training.log"].count("noise") == logs["probes-after.log"].count("noise") == 200
    assert all(f"log: logs/{name}" in lines for name in logs)
    assert lines[lines.index("log: logs/training.log") + 1 :][:3] == [
        "loss by depth of the answer    0-20%   20-40%   40-60%   60-80%  80-100%",
        "step 20                         1.50        -        -        -     1.25",
        "step 40                         0.50     0.70     0.90     1.10     1.30",
    ]


def test_a_command_that_fails_shows_the_end_of_its_log_and_stops(demo, tmp_path):
    run = demo(axolotl=f"#!/bin/bash\n{NOISE}\nprintf '1%%\\r2%%\\r'; echo 'ValueError: no memory' >&2; exit 3\n")
    screen, errors = run.communicate(timeout=60)
    assert run.returncode == 3
    assert "ValueError: no memory" in errors and "noise 100" in errors and "noise 50\n" not in errors
    log = tmp_path / "work/logs/training.log"
    assert errors.splitlines()[-1] == f"run.sh: `axolotl` failed with exit status 3; the whole log is {log}"
    assert "5/6" not in screen


def test_ctrl_c_stops_everything(demo, tmp_path):
    run = demo(axolotl="#!/bin/bash\ntrap 'exit 0' INT\ntouch ready\nwhile :; do sleep 0.1; done\n")
    while not (tmp_path / "work/ready").exists() and run.poll() is None:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    screen, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (130, "run.sh: stopped\n")
    assert "5/6" not in screen


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (None, "has no checkpoint-*/trainer_state.json; run"),
        ([{"step": 1, "loss": 2}], "has no in2/loss_depth_*; list"),
    ],
)
def test_runs_without_losses_by_depth(tmp_path, history, expected):
    shutil.copy(SMOKE / "loss_by_depth.py", tmp_path)
    if history:
        (tmp_path / "out/checkpoint-1").mkdir(parents=True)
        Path(tmp_path / "out/checkpoint-1/trainer_state.json").write_text(json.dumps({"log_history": history}))
    done = subprocess.run(
        [sys.executable, "loss_by_depth.py", "out"], cwd=tmp_path, text=True, capture_output=True, check=False
    )
    assert done.returncode == 1 and expected in done.stderr

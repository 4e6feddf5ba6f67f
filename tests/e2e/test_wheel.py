"""The wheel, installed where there is nothing else: what a user of the package index gets."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from in2_plugin.dataset.reader import read_manifest
from tests.support.e2e_run import ROOT, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The `bin` folder of an environment that holds the wheel and its core dependencies only."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env")
    run("uv", "pip", "install", "--quiet", "--python", folder / "env", wheel, cwd=folder)
    return folder / "env/bin"


def use(installed: Path, *command: object, cwd: Path) -> str:
    """Run a command of the empty environment, out of reach of the checkout."""
    program, *rest = map(str, command)
    environment = {"PATH": f"{installed}:/usr/bin:/bin", "HOME": str(cwd), "HF_HUB_OFFLINE": "1", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [str(installed / program), *rest], cwd=cwd, env=environment, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_recipes_travel_with_the_wheel(installed, tmp_path):
    assert "smoke" in use(installed, "in2", "recipes", "list", cwd=tmp_path)
    use(installed, "in2", "recipes", "copy", "smoke", cwd=tmp_path)
    checkout = {path.name for path in (ROOT / "recipes/smoke").iterdir() if path.is_file()}
    assert {path.name for path in (tmp_path / "smoke").iterdir()} == checkout
    assert os.access(tmp_path / "smoke/run.sh", os.X_OK)


def test_tasks_travel_with_the_wheel(installed, tmp_path):
    folder = Path(use(installed, "in2", "tasks-path", cwd=tmp_path).strip())
    assert installed.parent in folder.parents
    assert {"val_probe.yaml", "utils.py"} <= {path.name for path in folder.rglob("*")}


def test_a_dataset_can_be_built_with_the_core_alone(installed, workshop, tmp_path):
    shutil.copy(workshop / "chats.jsonl", tmp_path)
    said = use(installed, "in2", "build", workshop / "build.yml", "--tokenizer", workshop / "model", cwd=tmp_path)
    assert f"{read_manifest(workshop / 'data/in2').examples} examples" in said
    for name in ("questions.parquet", "instructions.parquet", "examples.parquet"):
        assert (tmp_path / "data/in2" / name).read_bytes() == (workshop / "data/in2" / name).read_bytes()


def test_what_is_missing_is_said_with_the_install_command(installed, tmp_path):
    done = subprocess.run(
        [str(installed / "in2"), "lm-eval", "--tasks", "val_probe"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert 'pip install "in2-plugin[eval]"' in done.stderr
    assert "Traceback" not in done.stderr

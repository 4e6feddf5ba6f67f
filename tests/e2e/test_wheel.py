"""The wheel, installed into an empty environment."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from in2_plugin.dataset.reader import read_manifest
from tests.support.e2e_run import ROOT, run

pytestmark = [pytest.mark.slow, pytest.mark.e2e_full]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The `bin` folder of an environment with only the wheel and its core dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env")
    run("uv", "pip", "install", "--quiet", "--python", folder / "env", wheel, cwd=folder)
    return folder / "env/bin"


def use(installed: Path, *command: object, cwd: Path) -> str:
    """Run a command of that environment, isolated from the checkout."""
    program, *rest = map(str, command)
    environment = {"PATH": f"{installed}:/usr/bin:/bin", "HOME": str(cwd), "HF_HUB_OFFLINE": "1", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [str(installed / program), *rest], cwd=cwd, env=environment, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_contains_recipes(installed, tmp_path):
    assert "smoke" in use(installed, "in2", "recipes", "list", cwd=tmp_path)
    use(installed, "in2", "recipes", "copy", "smoke", cwd=tmp_path)
    checkout = {path.name for path in (ROOT / "recipes/smoke").iterdir() if path.is_file()}
    assert {path.name for path in (tmp_path / "smoke").iterdir()} == {*checkout, "build.schema.json"}
    use(installed, "in2", "recipes", "copy", "film-7b-10pct", cwd=tmp_path)  # an overlay, with shared scripts
    assert os.access(tmp_path / "film-7b-10pct/torchrun.sh", os.X_OK)


def test_wheel_contains_tasks(installed, tmp_path):
    folder = Path(use(installed, "in2", "tasks-path", cwd=tmp_path).strip())
    assert installed.parent in folder.parents
    assert {"val_probe.yaml", "utils.py"} <= {path.name for path in folder.rglob("*")}


def test_wheel_contains_the_tested_versions(installed, tmp_path):
    found = json.loads(use(installed, "in2", "doctor", "--environment", "--json", cwd=tmp_path))
    assert found["packages"]["axolotl"]["installed"] is None and found["packages"]["axolotl"]["tested"]


def test_core_dependencies_can_build_a_dataset(installed, workshop, tmp_path):
    shutil.copy(workshop / "chats.jsonl", tmp_path)
    output = use(installed, "in2", "build", workshop / "build.yml", "--tokenizer", workshop / "model", cwd=tmp_path)
    assert f"{read_manifest(workshop / 'data/in2').examples} examples" in output
    for name in ("questions.parquet", "instructions.parquet", "examples.parquet"):
        assert (tmp_path / "data/in2" / name).read_bytes() == (workshop / "data/in2" / name).read_bytes()


def test_missing_extra_names_the_install_command(installed, tmp_path):
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

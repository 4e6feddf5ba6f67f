"""The plugin as Axolotl 0.21 loads it in every run: from its entry point, without `plugins:`."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from in2_plugin.training.axolotl.plugins import PLUGIN, loaded_unlisted
from tests.support import axolotl_runs, entry_point_run
from tests.support.e2e_run import run

pytestmark = pytest.mark.slow
needs_entry_points = pytest.mark.skipif(
    not loaded_unlisted(), reason="the installed Axolotl loads no plugins from entry points"
)
SHIM = "tests.support.cpu_shim.CPUShimPlugin"


def run_folder(path: Path, workshop: Path) -> Path:
    """Make a folder with the workshop's model and data, and a file of texts."""
    path.mkdir(exist_ok=True)
    for name in ("model", "data"):
        (path / name).symlink_to(workshop / name)
    rows = [{"text": f"The number {i} is followed by {i + 1}. " * 5} for i in range(32)]
    (path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def stock_run(folder: Path, entry_point: str) -> tuple[Counter[str], set[str], list[tuple[float, float]]]:
    """Train without IN2, with or without our entry point; return log, imported modules and steps."""
    file = axolotl_runs.write(
        folder, "stock", plugins=[SHIM], a_key_that_axolotl_ignores=1, max_steps=3,
        datasets=[{"path": "rows.jsonl", "ds_type": "json", "type": "completion"}],
    )  # fmt: skip
    output, modules = entry_point_run.train(folder, entry_point, file)
    return lines_of(output), modules, axolotl_runs.steps(axolotl_runs.witness(folder, "stock"))


def lines_of(output: str) -> Counter[str]:
    """Return the lines of a log without numbers and progress bars, with how often each occurs."""
    lines = (re.sub(r"\b\d[\d.]*", "#", line).strip() for line in re.split(r"[\r\n]+", output) if "%|" not in line)
    return Counter(line for line in lines if line)


@needs_entry_points
def test_run_without_in2_is_the_same_with_our_package_installed(workshop, tmp_path):
    lines, modules, steps = stock_run(run_folder(tmp_path / "with", workshop), "with")
    stock_lines, stock_modules, stock_steps = stock_run(run_folder(tmp_path / "without", workshop), "without")
    assert len(steps) == 3 and steps == stock_steps
    assert not stock_lines - lines
    # Axolotl announces every plugin that it loads
    assert (lines - stock_lines).total() == 2 and all(PLUGIN in line for line in lines - stock_lines)
    assert not stock_modules - modules
    assert {name.partition(".")[0] for name in modules - stock_modules} == {"in2_plugin"}


@needs_entry_points
def test_type_in2_needs_no_plugins_line(workshop, tmp_path):
    folder = run_folder(tmp_path, workshop)
    axolotl_runs.write(folder, "unlisted", plugins=[SHIM], in2={"loss_normalization": "example"})
    output = axolotl_runs.train(folder, "unlisted")
    assert len(axolotl_runs.steps(axolotl_runs.witness(folder, "unlisted"))) == 3
    assert "logits are computed only at answer tokens" in output and "in2/loss_depth_" in output
    assert output.count(f"Plugin loaded successfully: {PLUGIN}") == 1


@pytest.mark.e2e_full
def test_plugin_that_cannot_be_imported_is_one_sentence(workshop, tmp_path):
    folder = run_folder(tmp_path, workshop)
    axolotl_runs.write(folder, "broken", plugins=[PLUGIN, "no_such_package.Plugin"])
    output = run("axolotl", "train", "broken.yml", "--launcher", "python", cwd=folder, ok=False)
    assert "Traceback" not in output, output[-3_000:]
    assert "in2: the plugin `no_such_package.Plugin` cannot be imported (" in output.strip().splitlines()[-1]

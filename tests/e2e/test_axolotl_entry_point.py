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
LIGHT = {"in2_plugin", "in2_plugin.axolotl", "in2_plugin.errors", "in2_plugin.layout", "in2_plugin.training",
         "in2_plugin.training.axolotl", "in2_plugin.training.axolotl.plugins"}  # fmt: skip
"""Our modules in a run that does not use IN2."""


@pytest.fixture
def folder(workshop, tmp_path) -> Path:
    for name in ("model", "data"):
        (tmp_path / name).symlink_to(workshop / name)
    rows = [{"text": f"The number {i} is followed by {i + 1}. " * 5} for i in range(32)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def lines_of(output: str) -> Counter[str]:
    """Return the lines of a log without numbers and progress bars, with how often each occurs."""
    lines = (re.sub(r"\b\d[\d.]*", "#", line).strip() for line in re.split(r"[\r\n]+", output) if "%|" not in line)
    return Counter(line for line in lines if line)


@needs_entry_points
def test_run_without_in2_is_the_same_with_our_package_installed(folder):
    file = axolotl_runs.write(
        folder, "stock", plugins=[SHIM], a_key_that_axolotl_ignores=1, dataset_prepared_path=None, max_steps=3,
        datasets=[{"path": "rows.jsonl", "ds_type": "json", "type": "completion"}],
    )  # fmt: skip
    output, modules = entry_point_run.train(folder, "with", file)
    steps = axolotl_runs.steps(axolotl_runs.witness(folder, "stock"))
    stock_output, stock_modules = entry_point_run.train(folder, "without", file)
    assert steps == axolotl_runs.steps(axolotl_runs.witness(folder, "stock")) and len(steps) == 3
    assert modules - stock_modules == LIGHT and stock_modules <= modules
    ours, stock = lines_of(output), lines_of(stock_output)
    assert not stock - ours
    # Axolotl announces every plugin that it loads
    assert sum((ours - stock).values()) == 2 and all(PLUGIN in line for line in ours - stock)


@needs_entry_points
def test_type_in2_needs_no_plugins_line(folder):
    axolotl_runs.write(folder, "unlisted", plugins=[SHIM], in2={"loss_normalization": "example"})
    output = axolotl_runs.train(folder, "unlisted")
    assert len(axolotl_runs.steps(axolotl_runs.witness(folder, "unlisted"))) == 3
    assert "logits are computed only at answer tokens" in output and "in2/loss_depth_" in output
    assert output.count(f"Plugin loaded successfully: {PLUGIN}") == 1


@pytest.mark.e2e_full
def test_plugin_that_cannot_be_imported_is_one_sentence(folder):
    axolotl_runs.write(folder, "broken", plugins=[PLUGIN, "no_such_package.Plugin"])
    output = run("axolotl", "train", "broken.yml", "--launcher", "python", cwd=folder, ok=False)
    assert "Traceback" not in output, output[-3_000:]
    assert "in2: the plugin `no_such_package.Plugin` cannot be imported (" in output.strip().splitlines()[-1]

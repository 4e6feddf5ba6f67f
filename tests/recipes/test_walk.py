"""Run the commands of film-7b-1pct's README, in its order, at the small size that it offers."""

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from in2_plugin.recipe.folder import find_recipe

pytestmark = [pytest.mark.slow, pytest.mark.e2e_full]

README = find_recipe("film-7b-1pct").path / "README.md"
SKIPPED = "git clone"
"""The beginning of step 1, which the README says to skip: it needs a network and an endpoint."""


def commands() -> list[str]:
    """Return the code blocks of the section Run, without step 1."""
    section = README.read_text(encoding="utf-8").partition("\n## Run\n")[2].partition("\n## ")[0]
    blocks = [dedent(block) for block in re.findall(r"^ *```\n(.*?)^ *```$", section, re.DOTALL | re.MULTILINE)]
    assert sum(block.startswith(SKIPPED) for block in blocks) == 1
    return [block for block in blocks if not block.startswith(SKIPPED)]


def test_the_commands_of_the_readme_work(tmp_path):
    blocks = commands()
    assert len(blocks) == 6 and blocks[0].startswith("in2 recipes copy") and blocks[1].startswith("python rehearse.py")
    # resume with the same command, as under "If it goes wrong"
    script = "\n".join(["set -euo pipefail", *blocks, "./train.sh", "echo walked to the end"])
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        text=True,
        capture_output=True,
        timeout=1_800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    assert done.stdout.rstrip().endswith("walked to the end")
    folder = tmp_path / "film-7b-1pct/rehearsal"
    assert (folder / "data/film-7b-1pct/manifest.json").is_file()
    assert {path.name for path in (folder / "out").glob("checkpoint-*")} == {"checkpoint-1", "checkpoint-2"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "before" in page and "after" in page

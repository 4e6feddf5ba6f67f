"""Programs in recipes show their help and start no work."""

import subprocess
import sys

import pytest

from tests.support import ROOT

PROGRAMS = sorted((ROOT / "recipes").glob("*/*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_shows_its_help(program, tmp_path):
    done = subprocess.run([sys.executable, program, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: ") and not [*tmp_path.iterdir()]

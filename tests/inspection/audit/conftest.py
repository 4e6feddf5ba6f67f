"""A copy of a valid dataset for each test."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def copy(built, tmp_path) -> Path:
    """A copy of a valid dataset that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "in2"))

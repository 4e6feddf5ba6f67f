"""A valid dataset folder, built once, and a copy of it for each test."""

import shutil
from pathlib import Path

import pytest

from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet, endpoint_config
from tests.support.cache import cached_folder
from tests.support.damages import keys
from tests.support.fault_server import FaultServer


@pytest.fixture(scope="session")
def sound(mistral_folder) -> Path:
    """A finished dataset of sixty questions from a server, with its work log. Tests must not write into it."""

    def make(folder: Path) -> None:
        with FaultServer() as server:
            mixture = {"fine_grained": 40, "integration": 20}
            build_dataset(endpoint_config(folder, mistral_folder, server.base_url, mixture=mixture), Quiet())

    return cached_folder("sound", make, "in2")


@pytest.fixture
def folder(sound, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(sound, tmp_path / "in2"))


@pytest.fixture
def unrendered(folder) -> Path:
    """A copy whose tokenizer does not exist: without loading it, the doctor takes milliseconds."""
    for name in ("manifest.json", "build.json"):
        keys(name, tokenizer="/nowhere")(folder)
    return folder

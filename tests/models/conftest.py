"""A tiny model in a wheel, and a package index that has nothing else: no network."""

from pathlib import Path

import pytest

from in2_plugin.models import registry
from in2_plugin.models.registry import GGUFWheel
from tests.support.tiny_gguf import write_wheel


@pytest.fixture(scope="session")
def index(tmp_path_factory) -> tuple[Path, GGUFWheel]:
    """The folder with the wheel, and its source."""
    folder = tmp_path_factory.mktemp("index")
    return folder, write_wheel(folder)


@pytest.fixture
def tiny(index, monkeypatch) -> GGUFWheel:
    """The source of the tiny model, which pip and uv find."""
    folder, source = index
    for program in ("PIP", "UV"):
        monkeypatch.setenv(f"{program}_NO_INDEX", "1")
        monkeypatch.setenv(f"{program}_FIND_LINKS", str(folder))
    monkeypatch.setattr(registry, "MODELS", {"tiny": source})
    return source

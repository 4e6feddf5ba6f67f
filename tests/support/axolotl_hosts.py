"""Pretend that a version of Axolotl is installed, where only its files are looked at."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from in2_plugin.training.axolotl import context_parallel


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, version: str | None, *packages: str) -> None:
    """Let context parallelism find Axolotl `0.19`, `0.21` or None, and besides it only the named packages."""
    if version == "0.21":
        (folder / "integrations/context_parallel").mkdir(parents=True, exist_ok=True)
    axolotl = SimpleNamespace(submodule_search_locations=[str(folder)])
    found = {**dict.fromkeys(packages, SimpleNamespace()), **({"axolotl": axolotl} if version else {})}
    monkeypatch.setattr(context_parallel, "find_spec", found.get)

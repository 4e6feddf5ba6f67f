"""Invented packages: only their metadata, in a folder that comes first on the path."""

from pathlib import Path

import pytest


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that "installs" a package with a version, requirements and extras."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, version: str, *requires: str, extras: tuple[str, ...] = ()) -> None:
        folder = Path(tmp_path, f"{name.replace('-', '_')}-{version}.dist-info")
        folder.mkdir()
        lines = [f"Name: {name}", f"Version: {version}"]
        lines += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {line}" for line in requires]
        (folder / "METADATA").write_text("Metadata-Version: 2.4\n" + "".join(f"{line}\n" for line in lines))

    return install

"""Check the README of a recipe: the extras of its `pip install` commands exist in the installed packages.

pip only warns about an extra that does not exist, and installs nothing for it.
"""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from in2_plugin.config import nearest
from in2_plugin.errors import ConfigError
from in2_plugin.recipe.checks.check import FileCheck

INSTALL = re.compile(r"pip install [^`\n]+")
EXTRAS = re.compile(r"([A-Za-z][\w.-]*)\[([\w,.-]+)\]")
"""A package with extras, as in `axolotl[deepspeed,ray]`."""


def check_readme(file: Path) -> Iterator[FileCheck]:
    """Check the extras of every package that is installed here."""
    text = file.read_text(encoding="utf-8")
    named = [pair for command in INSTALL.findall(text) for pair in EXTRAS.findall(command)]
    for package, extras in named:
        for extra in extras.split(","):
            _refuse_unknown(package, extra)
    count = sum(len(extras.split(",")) for _, extras in named)
    yield FileCheck("ok", file.name, f"the {count} extras that it installs exist")


def _refuse_unknown(package: str, extra: str) -> None:
    try:
        found = metadata(package)
    except PackageNotFoundError:
        return
    known = found.get_all("Provides-Extra") or []
    if extra not in known:
        near = nearest(extra, known)
        advice = f"did you mean `{near}`?" if near else "remove it"
        raise ConfigError(f"{package} {found['Version']} has no extra `{extra}`; {advice}")

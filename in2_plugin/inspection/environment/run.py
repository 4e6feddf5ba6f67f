"""Compare the installed versions with those that are tested, for `in2 doctor --environment`.

Invariant: nothing but package metadata is read, so it works where a host cannot be imported. Cost: 0.2 s.
"""

import platform
from dataclasses import dataclass
from typing import Any

from in2_plugin.inspection.environment.known import known_limits
from in2_plugin.inspection.environment.requirements import OURS, installed_version, is_version, unmet_requirements
from in2_plugin.inspection.environment.tested import TestedVersions, tested_versions

UNTESTED = ("vllm",)
"""Hosts that no tested set has."""


@dataclass(frozen=True, slots=True)
class PackageStatus:
    """The version of one package, or of Python, and those that are tested."""

    name: str
    installed: str | None
    tested: tuple[str, ...]

    @property
    def is_tested(self) -> bool:
        """True if the installed version is one of the tested ones."""
        return any(is_version(self.installed, version) for version in self.tested)

    @property
    def verdict(self) -> str:
        """`tested`, `not tested` or `not installed`."""
        if self.installed is None:
            return "not installed"
        return "tested" if self.is_tested else "not tested"


@dataclass(frozen=True, slots=True)
class Environment:
    """Versions of this installation."""

    version: str
    """Of in2-plugin."""
    python: str
    """Full version, such as `3.12.1`."""
    packages: tuple[PackageStatus, ...]
    """Python, then the hosts."""
    tested_set: str | None
    """Name of a set with this Python and every installed host in its version, or None."""
    errors: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the report of `--json`."""
        return {
            OURS: self.version,
            "packages": {
                each.name: {"installed": each.installed, "tested": list(each.tested), "verdict": each.verdict}
                for each in self.packages
            },
            "tested_together": self.tested_set,
            "errors": list(self.errors),
            "notes": list(self.notes),
        }


def examine_environment() -> Environment:
    """Return the installed versions, the tested ones, and what does not fit together."""
    import in2_plugin

    sets = tested_versions()
    hosts = [*dict.fromkeys(name for each in sets for name in each.packages), *UNTESTED]
    python = platform.python_version()
    minor = ".".join(python.split(".")[:2])
    pythons = sorted({each.python for each in sets})
    installed = {name: installed_version(name) for name in hosts}
    return Environment(
        version=in2_plugin.__version__,
        python=python,
        packages=(
            PackageStatus("python", minor, tuple(pythons)),
            *(PackageStatus(name, installed[name], _versions(name, sets)) for name in hosts),
        ),
        tested_set=next((each.name for each in sets if _matches(each, minor, installed)), None),
        errors=tuple(unmet_requirements([OURS, *hosts])),
        notes=tuple(known_limits(python)),
    )


def _versions(package: str, sets: list[TestedVersions]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.packages[package] for each in sets if package in each.packages))


def _matches(tested: TestedVersions, python: str, installed: dict[str, str | None]) -> bool:
    """Check that every installed host is in a set in this version; hosts that are not installed do not count."""
    present = {name: version for name, version in installed.items() if version is not None}
    return tested.python == python and all(
        name in tested.packages and is_version(version, tested.packages[name]) for name, version in present.items()
    )

"""Read the sets of versions that the tests run against.

Each set is a requirements file in `tested/`, from which the Makefile installs an environment, so that documentation,
`in2 doctor --environment` and the tests agree. A line `# python 3.12` names the Python of the environment.
"""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "tested"
NAMES = ("oldest", "newest-axolotl", "newest-trl", "newest-lm-eval")
"""Sets in the order of the documentation; each is `tested/NAME.txt`."""


@dataclass(frozen=True, slots=True)
class TestedVersions:
    """One set of versions that are tested together."""

    __test__ = False  # no class of tests

    name: str
    python: str
    """Minor version, such as `3.12`."""
    packages: dict[str, str]
    """Exact version of each package, by its name on the package index."""


def tested_versions() -> list[TestedVersions]:
    """Return all sets, in the order of `NAMES`."""
    return [_read(name) for name in NAMES]


def _read(name: str) -> TestedVersions:
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    (python,) = re.findall(r"(?m)^# python (\S+)$", text)
    return TestedVersions(name, python, dict(re.findall(r"(?m)^(\w+)==(\S+)$", text)))

"""Train with the real Axolotl with or without our entry point, and record the imported modules.

`python entry_point_run.py with|without NAME.yml` does what `python -m axolotl.cli.train NAME.yml` does, and writes
`modules.json` into the working folder. `without` hides the entry point, as if our package were not installed.
"""

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.support.e2e_run import run


def train(folder: Path, entry_point: str, file: str) -> tuple[str, set[str]]:
    """Train with a config; return the output and the imported modules."""
    output = run(sys.executable, __file__, entry_point, file, cwd=folder)
    return output, set(json.loads((folder / "modules.json").read_text()))


def _hide_entry_point() -> None:
    listed = metadata.entry_points

    def others(**chosen: Any) -> metadata.EntryPoints:
        return metadata.EntryPoints(
            point for point in listed(**chosen) if point.group != "axolotl.plugins" or "in2_plugin" not in point.value
        )

    metadata.entry_points = others


def _main(entry_point: str, file: str) -> None:
    if entry_point == "without":
        _hide_entry_point()
    from axolotl.cli.train import do_cli

    sys.argv = ["axolotl", file]
    do_cli(file)
    Path("modules.json").write_text(json.dumps(sorted(sys.modules)))


if __name__ == "__main__":
    _main(*sys.argv[1:])

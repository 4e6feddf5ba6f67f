"""Read the items of a probe: the bundled ones, or a folder in the layout that the paper's authors published.

A folder holds one JSON-lines file per probe, gzipped or not. Items keep the order of the file, so a seed draws the
same items everywhere. Cost: the 5,000 bundled rows of a probe parse in about 30 ms.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.probe import Item, Probe

BUNDLED = Path(__file__).parents[1] / "data"


def read_items(probe: Probe, folder: Path | None = None) -> tuple[Item, ...]:
    """Return all items of `probe` in `folder`, by default the bundled ones.

    Raises:
        ProbeError: there is no such file, or a row is not JSON or lacks a text field; names file and row.
    """
    path = _find(probe, BUNDLED if folder is None else folder)
    items = tuple(_parse(probe, path))
    if not items:
        raise ProbeError(f"{path} has no items for the {probe.name} probe; set `probe_pieces` to another folder")
    return items


def _find(probe: Probe, folder: Path) -> Path:
    for name in (probe.file, f"{probe.file}.gz"):
        if (folder / name).is_file():
            return folder / name
    advice = "or leave it out" if folder != BUNDLED else "the package does not ship the items of this probe"
    example = " (in a clone of microsoft/FILM: VaLProbing/pieces)" if probe.paper else ""
    raise ProbeError(f"{folder} has no {probe.file}; set `probe_pieces` to a folder that has it{example}, {advice}")


def _parse(probe: Probe, path: Path) -> Iterator[Item]:
    number = 1
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for line in lines:
                item = probe.parse_item(json.loads(line)) if line.strip() else None
                if item is not None:
                    yield item
                number += 1
    except KeyError as missing:
        raise ProbeError(f"{path}, row {number}: field {missing} is missing; it must be like {probe.file}") from None
    except (TypeError, AttributeError, ValueError, EOFError, OSError) as problem:
        raise ProbeError(f"{path}, row {number}: cannot be read ({problem}); download the file again") from None

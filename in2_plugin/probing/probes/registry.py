"""The open registry of VAL probes, which prompts, tasks, scoring, `in2 val` and reports read.

Adding a probe to the package takes one Python file, its data and its YAML:

1. In `probes/builtin.py`, define a `Probe` and append it to `BUILTIN`.
2. Put its items into `in2_plugin/probing/data/<file>.gz`: JSON lines, three contexts' worth or more.
3. Run `python scripts/make_val_tasks.py`, which writes its YAML files to `lm_eval_tasks/val_probe`.

Another package adds a probe without a change here. It names a `Probe` as an entry point of the group
`in2_plugin.probes`, calls `write_probe_tasks(probe, folder)` of `probing.lm_eval.task_files` once and ships the folder.
Its users run `in2 lm-eval --include_path FOLDER --tasks val_probe_<name>`, with its items as `probe_pieces`.

Entry points are read on the first access to `PROBES`, which takes about a millisecond.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.builtin import BUILTIN
from in2_plugin.probing.probes.probe import Probe

GROUP = "in2_plugin.probes"
FAMILIES = ("", "closed_book", "matrix", "paper")
"""Words between `val_probe_` and a name: with a context (none), without it, pattern by style, the paper's data."""
PATTERNS = ("forward", "backward", "bidirectional")
_NAME = re.compile(
    rf"(?!(?:{'|'.join(filter(None, FAMILIES))})(?:_|$))[a-z][a-z0-9]*(?:_[a-z0-9]+)*"
    rf"(?<!_{')(?<!_'.join(PATTERNS)})(?<!\dk)"
)


class ProbeRegistry(Mapping[str, Probe]):
    """Probes by name: the bundled ones, then those of installed packages, then those that `register` adds."""

    def __init__(self, probes: Iterable[Probe]) -> None:
        self._probes: dict[str, Probe] = {}
        self._has_entry_points = False
        for probe in probes:
            self._add(probe)

    def register(self, probe: Probe) -> None:
        """Add a probe for this process.

        Raises:
            ProbeError: the name is taken, or would be mistaken for another task's.
        """
        self._load_entry_points()
        self._add(probe)

    def unregister(self, name: str) -> None:
        """Remove a probe that `register` added."""
        del self._probes[name]

    def __getitem__(self, name: str) -> Probe:
        self._load_entry_points()
        return self._probes[name]

    def __iter__(self) -> Iterator[str]:
        self._load_entry_points()
        return iter(self._probes)

    def __len__(self) -> int:
        self._load_entry_points()
        return len(self._probes)

    def _add(self, probe: Probe) -> None:
        if not _NAME.fullmatch(probe.name):
            raise ProbeError(
                f"a probe cannot be called `{probe.name}`: use lower-case words and underscores, do not start with "
                f" {', '.join(filter(None, FAMILIES))}, and do not end with {', '.join(PATTERNS)} or a length like 4k"
            )
        if probe.name in self._probes:
            raise ProbeError(f"there is already a probe called `{probe.name}`; choose another name")
        self._probes[probe.name] = probe

    def _load_entry_points(self) -> None:
        if not self._has_entry_points:
            self._has_entry_points = True
            for entry in sorted(entry_points(group=GROUP)):
                self._add(_load(entry))


def _load(entry: EntryPoint) -> Probe:
    try:
        probe = entry.load()
    except Exception as failure:  # an import may raise anything
        raise ProbeError(
            f"entry point `{entry.name}` of {GROUP} cannot be loaded ({type(failure).__name__}: {failure}); fix or "
            f"uninstall the package that has `{entry.value}`"
        ) from failure
    if not isinstance(probe, Probe):
        raise ProbeError(f"entry point `{entry.name}` of {GROUP}: `{entry.value}` is not a Probe but {probe!r}")
    return probe


PROBES = ProbeRegistry(BUILTIN)

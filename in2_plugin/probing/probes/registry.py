"""The open registries of probes, which prompts, tasks, scoring, `in2 val` and reports read.

`PROBES` holds the VAL probes. Adding one to the package takes one Python file, its data and its YAML:

1. In `probes/builtin.py`, define a `Probe` and append it to `BUILTIN`.
2. Put its items into `in2_plugin/probing/data/<file>.gz`: JSON lines, three contexts' worth or more.
3. Run `python scripts/make_val_tasks.py`, which writes its YAML files to `lm_eval_tasks/val_probe`.

`POSITION_PROBES` holds the probes that ask each question at several depths. Adding one takes a file in
`probing/position` that defines a `PositionProbe`, a line in `POSITION` below, and the same script, which writes to
`lm_eval_tasks/position`.

Another package adds a probe without a change here. It names a `Probe` or a `PositionProbe` as an entry point of the
group `in2_plugin.probes`, calls `write_probe_tasks(probe, folder)` of `probing.lm_eval.task_files` once and ships the
folder. Its users run `in2 lm-eval --include_path FOLDER --tasks val_probe_<name>`, with its items as `probe_pieces`, or
for a position probe `--tasks <name>`.

Entry points are read on the first access, which takes about a millisecond. The modules of our position probes are
imported when one of them is looked up.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.builtin import BUILTIN
from in2_plugin.probing.probes.probe import Probe

if TYPE_CHECKING:
    from in2_plugin.probing.position.probe import PositionProbe

GROUP = "in2_plugin.probes"
FAMILIES = ("", "closed_book", "matrix", "paper")
"""Words between `val_probe_` and a name: with a context (none), without it, pattern by style, the paper's data."""
PATTERNS = ("forward", "backward", "bidirectional")
_WORDS = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"
_NAME = re.compile(rf"(?!(?:{'|'.join(filter(None, FAMILIES))})(?:_|$)){_WORDS}(?<!_{')(?<!_'.join(PATTERNS)})(?<!\dk)")
_POSITION_NAME = re.compile(rf"(?!val_probe){_WORDS}(?<!_context)(?<!_closed_book)(?<!_gold_only)")
POSITION: Mapping[str, str] = {
    "in2_probe": "in2_plugin.probing.position.own_text:PROBE",
    "litm_kv": "in2_plugin.probing.position.litm_kv:LITM_KV",
    "litm_qa": "in2_plugin.probing.position.litm_qa:LITM_QA",
    "niah_single": "in2_plugin.probing.position.niah:NIAH_SINGLE",
    "niah_multi": "in2_plugin.probing.position.niah:NIAH_MULTI",
    "nolima": "in2_plugin.probing.position.nolima:NOLIMA",
}
"""Our position probes: where each is defined, by the name that it has there."""
ProbeT = TypeVar("ProbeT")


class _OpenRegistry(Mapping[str, ProbeT]):
    """Probes by name: ours, then those of installed packages, then those that `register` adds."""

    def __init__(self, probes: Mapping[str, ProbeT | str]) -> None:
        self._probes: dict[str, Any] = {}
        self._has_entry_points = False
        for name, probe in probes.items():
            self._add(name, probe)

    def register(self, probe: ProbeT) -> None:
        """Add a probe for this process.

        Raises:
            ProbeError: the name is taken, or would be mistaken for another task's.
        """
        self._load_entry_points()
        self._add(_name_of(probe), probe)

    def unregister(self, name: str) -> None:
        """Remove a probe that `register` added."""
        del self._probes[name]

    def __getitem__(self, name: str) -> ProbeT:
        self._load_entry_points()
        probe = self._probes[name]
        if isinstance(probe, str):
            module, _, attribute = probe.partition(":")
            probe = self._probes[name] = getattr(import_module(module), attribute)
        return probe  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        self._load_entry_points()
        return iter(self._probes)

    def __len__(self) -> int:
        self._load_entry_points()
        return len(self._probes)

    def _holds(self, found: object) -> bool:
        """Return True for a declaration of this registry's kind."""
        raise NotImplementedError

    def _check_name(self, name: str) -> None:
        raise NotImplementedError

    def _add(self, name: str, probe: Any) -> None:
        self._check_name(name)
        if name in self._probes:
            raise ProbeError(f"there is already a probe called `{name}`; choose another name")
        self._probes[name] = probe

    def _load_entry_points(self) -> None:
        if not self._has_entry_points:
            self._has_entry_points = True
            for entry in sorted(entry_points(group=GROUP)):
                if self._holds(found := _load(entry)):
                    self._add(_name_of(found), found)


class ProbeRegistry(_OpenRegistry[Probe]):
    """The VAL probes."""

    def __init__(self, probes: Iterable[Probe]) -> None:
        super().__init__({})
        for probe in probes:
            self._add(probe.name, probe)

    def _holds(self, found: object) -> bool:
        return isinstance(found, Probe)

    def _check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ProbeError(
                f"a probe cannot be called `{name}`: use lower-case words and underscores, do not start with "
                f" {', '.join(filter(None, FAMILIES))}, and do not end with {', '.join(PATTERNS)} or a length like 4k"
            )


class PositionRegistry(_OpenRegistry["PositionProbe"]):
    """The probes that ask each question at several depths."""

    def _holds(self, found: object) -> bool:
        return not isinstance(found, Probe)

    def _check_name(self, name: str) -> None:
        if not _POSITION_NAME.fullmatch(name):
            raise ProbeError(
                f"a position probe cannot be called `{name}`: use lower-case words and underscores, do not start with "
                "val_probe, and do not end with context, closed_book or gold_only"
            )


def _name_of(probe: Any) -> str:
    return str(probe.name)


def _load(entry: EntryPoint) -> "Probe | PositionProbe":
    try:
        probe = entry.load()
    except Exception as failure:  # an import may raise anything
        raise ProbeError(
            f"entry point `{entry.name}` of {GROUP} cannot be loaded ({type(failure).__name__}: {failure}); fix or "
            f"uninstall the package that has `{entry.value}`"
        ) from failure
    if isinstance(probe, Probe):
        return probe
    from in2_plugin.probing.position.probe import PositionProbe

    if isinstance(probe, PositionProbe):
        return probe
    raise ProbeError(
        f"entry point `{entry.name}` of {GROUP}: `{entry.value}` is not a Probe or a PositionProbe but {probe!r}"
    )


PROBES = ProbeRegistry(BUILTIN)
POSITION_PROBES = PositionRegistry(POSITION)

"""Bind a dataset folder to its build file, recorded in build.json.

Invariants: data of different build files are never mixed. Nothing that was paid for is deleted, with any option: the
work log stays, and its answers are reused when the same request recurs.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from in2_plugin import layout
from in2_plugin.config import BuildConfig, Decontamination
from in2_plugin.config.base import Config, models_in
from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_json_atomic
from in2_plugin.io.lock import file_lock

_STAGE_FILES = (layout.MANIFEST, *(name for name in layout.STAGES.values() if name != layout.MANIFEST))
"""The manifest comes first: a build killed while it removes these files leaves an unfinished folder."""
_SCREENING_KEYS = ("corpus.decontamination", "corpus.near_duplicates")
EXTENDABLE = (
    "mixture",
    "lengths",
    "template",
    "positions",
    "questions_per_context",
    "distractors",
    "instructions",
    "questions.checks",
    "questions.verify",
    *_SCREENING_KEYS,
)
"""Keys that may change with `--extend`: the prompts stay the same, except for passages that screening newly
excludes."""


class BuildFileChange(StrEnum):
    """How to handle a folder that belongs to another build file."""

    REFUSE = "refuse"
    EXTEND = "extend"
    """Keep the segments; rebuild questions and examples from stored and new answers."""
    RESTART = "restart"
    """Rebuild everything."""


@dataclass(frozen=True, slots=True)
class FolderKind:
    """A kind of folder that a build writes."""

    command: str
    """The command that writes it."""
    noun: str
    """What errors call it."""
    own_key: str
    """A key that only its build file has."""
    files: tuple[str, ...]
    """The file of each stage. The last stage's comes first: a build that is killed while it removes these files leaves
    an unfinished folder."""
    allows_extension: bool
    """True if the command has `--extend`."""


DATASET = FolderKind("in2 build", "dataset", "mixture", _STAGE_FILES, allows_extension=True)
PROBE = FolderKind(
    "in2 probe build", "probe", "depths", tuple(reversed(layout.PROBE_STAGES.values())), allows_extension=False
)


def claim(
    folder: Path, config: Config, change: BuildFileChange = BuildFileChange.REFUSE, kind: FolderKind = DATASET
) -> None:
    """Record that the folder belongs to this build file, and delete stages that a permitted change invalidates.

    Array jobs may call it at the same time: a lock serialises them.

    Raises:
        ConfigError: the folder belongs to another build file, or is of another kind, which no `change` replaces.
    """
    with file_lock(folder / layout.PARTS / layout.CLAIM_LOCK):
        _claim(folder, config, change, kind)


def _claim(folder: Path, config: Config, change: BuildFileChange, kind: FolderKind) -> None:
    _require_kind(folder, kind)
    record, wanted = folder / layout.BUILD, config.model_dump(mode="json")
    begun = [name for name in kind.files if (folder / name).exists()]
    if begun and change is not BuildFileChange.RESTART:
        found = _read_record(record, kind)
        differences = list(_differences(found, wanted, frozenset(changeable_keys(type(config)))))
        if differences and change is BuildFileChange.REFUSE:
            raise ConfigError(_refusal(folder, *differences[0], kind))
        if differences:
            _require_extendable(folder, differences)
            kept = {layout.STAGES["segments"]}
            if not any(key.startswith(_SCREENING_KEYS) for key, _, _ in differences):
                kept.add(layout.STAGES["screening"])
            _remove(folder, [name for name in _STAGE_FILES if name not in kept])
        if found != wanted:
            write_json_atomic(record, wanted)
        return
    _remove(folder, begun)
    if change is BuildFileChange.RESTART:
        for path in (folder / layout.PARTS).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix == ".arrow":
                path.unlink()
    if _json_or_none(record) != wanted:
        write_json_atomic(record, wanted)


def _require_kind(folder: Path, kind: FolderKind) -> None:
    found = _json_or_none(folder / layout.BUILD)
    for other in (DATASET, PROBE):
        is_its_file = isinstance(found, dict) and other.own_key in found
        if other != kind and (is_its_file or (folder / other.files[0]).exists()):
            raise ConfigError(f"{folder}: is a {other.noun} of `{other.command}`; choose another `output`")


def stored_config(folder: Path, origin: str) -> BuildConfig:
    """Return the build file that a dataset folder belongs to.

    Args:
        origin: how errors name the file.

    Raises:
        ConfigError: it is not a valid build file.
        OSError, ValueError: it cannot be read as JSON.
    """
    return BuildConfig.parse(_load(folder / layout.BUILD), origin)


def make_folder(folder: Path) -> None:
    """Create the folder, before a lock file is written to it.

    Raises:
        ConfigError: the folder cannot be created, or contains files of something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise ConfigError(f"{folder}: cannot be created ({failure.strerror}); choose another `output`") from None
    strangers = (
        path for path in folder.iterdir() if path.name not in layout.NOT_A_BUILD and not path.match(layout.JOB_LOCKS)
    )
    if not (folder / layout.BUILD).exists() and any(strangers):
        raise ConfigError(f"{folder}: is not empty and not an IN2 dataset or probe; choose another `output`")


def _load(record: Path) -> Any:
    """Read build.json; add the key that earlier versions lack, with the value that describes what they did."""
    found = json.loads(record.read_text(encoding="utf-8"))
    match found:
        case {"corpus": {"decontamination": {"ngram": ngram} as rule}} if "whole_items" not in rule:
            # they compared no text shorter than an n-gram; without n-grams, the key has no effect
            rule["whole_items"] = Decontamination().whole_items if ngram is None else ngram
    return found


def _json_or_none(record: Path) -> Any:
    try:
        return _load(record)
    except (OSError, ValueError):
        return None


def _read_record(record: Path, kind: FolderKind) -> Any:
    try:
        return _load(record)
    except (OSError, ValueError):
        raise ConfigError(
            f"{record}: is missing or damaged, so the settings of this folder are unknown; "
            f"run `{kind.command} --restart` to rebuild it (answers that were paid for are reused)"
        ) from None


def _remove(folder: Path, stages: list[str]) -> None:
    for name in stages:
        (folder / name).unlink(missing_ok=True)


def _refusal(folder: Path, key: str, old: Any, new: Any, kind: FolderKind = DATASET) -> str:
    options = (
        f"choose another `output`, or run `{kind.command} --restart` to replace it (answers that were paid for are "
        "reused)"
    )
    if kind.allows_extension and key.startswith(EXTENDABLE):
        options = f"run `in2 build --extend` to reuse the existing data, or {options}"
    return f"{folder}: was built with `{key}: {old}`, but the build file now has `{key}: {new}`; {options}"


def _require_extendable(folder: Path, differences: list[tuple[str, Any, Any]]) -> None:
    for key, old, new in differences:
        if not key.startswith(EXTENDABLE):
            raise ConfigError(
                f"{_refusal(folder, key, old, new)}; `--extend` accepts only changes of {', '.join(EXTENDABLE)}"
            )


def _differences(found: Any, wanted: Any, ignored: frozenset[str], key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield dotted keys with old and new values that differ, in the order of the build file."""
    if key in ignored:
        return
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in [*wanted, *(name for name in found if name not in wanted)]:
            inner = f"{key}.{name}".lstrip(".")
            yield from _differences(found.get(name), wanted.get(name), ignored, inner)
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for one, other in zip(found, wanted, strict=True):
            yield from _differences(one, other, ignored, key)
    elif found != wanted:
        yield key, found, wanted


def changeable_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield dotted keys that no question or example depends on (`changeable` in the configuration)."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("changeable"):
            yield key
            continue
        for inner in models_in(field.annotation):
            yield from changeable_keys(inner, f"{key}.")

"""Whose folder it is: a dataset folder belongs to the build file that began it.

Invariants: a changed build file is never mixed with what another one made; nothing that was paid for is removed,
whatever is asked for: the work log stays, and its answers are used again where the same request comes again.
"""

import json
import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.config.base import models_in
from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_json_atomic
from in2_plugin.io.lock import file_lock

_STAGE_FILES = (layout.MANIFEST, *(name for name in layout.STAGES.values() if name != layout.MANIFEST))
"""The manifest comes first: a build killed while it removes these files leaves an unfinished folder."""
SCREENING = ("corpus.decontamination", "corpus.near_duplicates")
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
    *SCREENING,
)
"""Keys that may change under `--extend`: the same passages are asked the same things, but for those that screening
newly leaves out."""


class Change(StrEnum):
    """What to do when the folder was begun with another build file."""

    REFUSE = "refuse"
    EXTEND = "extend"
    """Keep the segments, and make questions and examples again from the answers that are there and new ones."""
    RESTART = "restart"
    """Make everything again."""


def claim(folder: Path, config: BuildConfig, change: Change = Change.REFUSE) -> None:
    """Make sure that the folder is empty or belongs to this build file, and mark it as such.

    Jobs of an array do so at the same time, one after the other.

    Raises:
        ConfigError: it belongs to another build file.
    """
    with file_lock(folder / layout.PARTS / layout.CLAIM_LOCK):
        _claim(folder, config, change)


def _claim(folder: Path, config: BuildConfig, change: Change) -> None:
    record, wanted = folder / layout.BUILD, config.model_dump(mode="json")
    begun = [name for name in _STAGE_FILES if (folder / name).exists()]
    if begun and change is not Change.RESTART:
        found = _read_record(record)
        differences = list(_differences(found, wanted, frozenset(changeable_keys(BuildConfig))))
        if differences and change is Change.REFUSE:
            raise ConfigError(_refusal(folder, *differences[0]))
        if differences:
            _refuse_more_than_extending(folder, differences)
            kept = {layout.STAGES["segments"]}
            if not any(key.startswith(SCREENING) for key, _, _ in differences):
                kept.add(layout.STAGES["screening"])
            _remove(folder, [name for name in _STAGE_FILES if name not in kept])
        if found != wanted:
            write_json_atomic(record, wanted)
        return
    _remove(folder, begun)
    if change is Change.RESTART:
        for path in (folder / layout.PARTS).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix == ".arrow":
                path.unlink()
    if _json_or_none(record) != wanted:
        write_json_atomic(record, wanted)


def make_folder(folder: Path) -> None:
    """Make the folder, or refuse one that holds something else; done before a lock file is put there.

    Raises:
        ConfigError: it cannot be made, or is not empty and no dataset.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise ConfigError(f"{folder}: cannot be made ({failure.strerror}); give another `output`") from None
    strangers = (
        path for path in folder.iterdir() if path.name not in layout.NOT_A_BUILD and not path.match(layout.JOB_LOCKS)
    )
    if not (folder / layout.BUILD).exists() and any(strangers):
        raise ConfigError(f"{folder}: is not empty and not an IN2 dataset; give another `output`")


def _json_or_none(record: Path) -> Any:
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _read_record(record: Path) -> Any:
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(
            f"{record}: is missing or damaged, so that nobody knows what the folder was built from; "
            "run `in2 build --restart` to make the dataset again (answers that were paid for are kept)"
        ) from None


def _remove(folder: Path, stages: list[str]) -> None:
    for name in stages:
        (folder / name).unlink(missing_ok=True)


def _refusal(folder: Path, key: str, old: Any, new: Any) -> str:
    ways = "give another `output`, or run `in2 build --restart` to replace it (answers that were paid for are kept)"
    if key.startswith(EXTENDABLE):
        ways = f"run `in2 build --extend` to go on from what is there, or {ways}"
    return f"{folder}: was built with `{key}: {old}`, and the build file now says `{key}: {new}`; {ways}"


def _refuse_more_than_extending(folder: Path, differences: list[tuple[str, Any, Any]]) -> None:
    for key, old, new in differences:
        if not key.startswith(EXTENDABLE):
            raise ConfigError(
                f"{_refusal(folder, key, old, new)}; `--extend` is for changes of {', '.join(EXTENDABLE)} alone"
            )


def _differences(found: Any, wanted: Any, passed_over: frozenset[str], key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Keys, in dotted form, whose values differ, in the order of the build file."""
    if key in passed_over:
        return
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in [*wanted, *(name for name in found if name not in wanted)]:
            inner = f"{key}.{name}".lstrip(".")
            yield from _differences(found.get(name), wanted.get(name), passed_over, inner)
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for one, other in zip(found, wanted, strict=True):
            yield from _differences(one, other, passed_over, key)
    elif found != wanted:
        yield key, found, wanted


def changeable_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted keys that no question or example depends on (`changeable` in the configuration)."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("changeable"):
            yield key
            continue
        for inner in models_in(field.annotation):
            yield from changeable_keys(inner, f"{key}.")

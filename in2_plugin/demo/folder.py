"""Keep the folder of a demo: what it is a demo of, its files, and a record of each finished stage.

Invariants: stages of different settings are never mixed, and a record is written after everything that its stage
writes, so a stage with a record is complete. Everything is written atomically.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_json_atomic, write_text_atomic

IDENTITY = "in2_demo.json"
LOCK = "demo.lock"
SPEED = "speed.json"
PROBE, MODEL, RESULTS, CACHE, LOGS, RECORDS = "probe", "model", "results", "cache", "logs", "stages"
PAGE = "demo.html"
"""The report, with a .json and a .png next to it."""
FIRST = "before"
"""Label of the model before training."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """A finished stage."""

    inputs: str
    """Digest of its command, its settings and the stages before it."""
    seconds: float
    """Over all attempts, as far as they were not killed."""
    summary: str


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """The folder that a demo works in."""

    path: Path

    def claim(self, identity: Mapping[str, Any], facts: Callable[[], Mapping[str, Any]] = dict) -> Mapping[str, Any]:
        """Record what the folder is a demo of, or check that it is the same; return the recorded facts about it.

        Args:
            identity: what must stay the same.
            facts: finds out what else to record in a new folder; its error leaves the folder unused.

        Raises:
            ConfigError: it is a demo of something else, or another kind of folder.
        """
        file = self.path / IDENTITY
        if file.is_file():
            self._refuse_other(json.loads(file.read_text(encoding="utf-8")), identity)
        else:
            self.refuse_other_kind()
            write_json_atomic(file, {**identity, **facts()})
        for name in (LOGS, RECORDS):
            (self.path / name).mkdir(exist_ok=True)
        found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def refuse_other_kind(self) -> None:
        """Check that the folder is a demo's, empty, or not there.

        Raises:
            ConfigError: it is a file, or has other files.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{self.path}: is a file; give a folder")
        names = sorted(one.name for one in self.path.iterdir()) if self.path.is_dir() else []
        if IDENTITY not in names and (others := [name for name in names if name != LOCK]):
            raise ConfigError(f"{self.path}: is not a demo's folder (it has {others[0]}); give a new one")

    def _refuse_other(self, found: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
        for key, value in identity.items():
            if found.get(key) != value:
                said = f"`{key}: {_word(found.get(key))}`, now it is `{_word(value)}`"
                said = "other settings in its recipe" if key == "settings" else said
                raise ConfigError(f"{self.path}: holds a demo with {said}; give another folder, or delete this one")

    def write_settings(self, name: str, values: Mapping[str, Any], origin: str) -> None:
        """Write a YAML file for a command; its first line says where the values are from."""
        text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=120)
        write_text_atomic(
            self.path / name, f"# Written by `in2 demo` from {origin}; a change here has no effect\n{text}"
        )

    def record_of(self, stage: str) -> StageRecord | None:
        """Return the record of a stage; None if it is not finished."""
        file = self._record_file(stage)
        return StageRecord(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None

    def record(self, stage: str, record: StageRecord) -> None:
        """Record a finished stage."""
        values = {"inputs": record.inputs, "seconds": round(record.seconds, 1), "summary": record.summary}
        write_json_atomic(self._record_file(stage), values)

    def log(self, stage: str) -> Path:
        """Return the log of a stage's commands."""
        return self.path / LOGS / f"{stage}.log"

    def digest(self, before: str, commands: Sequence[Sequence[str]], settings: Sequence[str]) -> str:
        """Return the digest of a stage's inputs: that of the stage before, its commands and files."""
        texts = [(self.path / name).read_text(encoding="utf-8") for name in settings]
        values = json.dumps([before, [list(command) for command in commands], texts], ensure_ascii=False)
        return hashlib.sha256(values.encode("utf-8")).hexdigest()[:16]

    def _record_file(self, stage: str) -> Path:
        return self.path / RECORDS / f"{stage}.json"


def _word(value: object) -> str:
    return {None: "default", True: "yes", False: "no"}.get(value, str(value))  # type: ignore[call-overload,no-any-return]

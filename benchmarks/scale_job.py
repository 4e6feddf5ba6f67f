"""Run one build for scale.py in its own process, and print the start of each phase as a JSON line.

The build is that of `in2 build`, up to its audit. Phases are recognised by the build's own progress messages.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scale_watch import size_of

BEGIN, END, SAY = "begin", "end", "say"
PHASES: tuple[tuple[str, str, str], ...] = (
    ("cut", BEGIN, "cutting documents"),
    ("merge", BEGIN, "merging segments"),
    ("screen", SAY, " segments of "),
    ("bands", END, "comparing with"),
    ("questions", SAY, " documents left out because"),
    ("draw", BEGIN, "drawing examples"),
    ("place", BEGIN, "placing questions"),
    ("write", BEGIN, "writing examples"),
    ("plans", BEGIN, "laying out"),
    ("lay", END, "laying out"),
    ("done", BEGIN, "auditing"),
)
"""(phase, the event that starts it, words of its message), in order. The first phase is `start`."""


class Measured(Exception):
    """The last phase to be measured is done."""


@dataclass(slots=True)
class Recorder:
    """A build progress that prints the start of each phase, and stops the build at the last one."""

    folder: Path
    last: str
    waiting: list[tuple[str, str, str]] = field(default_factory=lambda: list(PHASES))
    said: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.said.append(line)
        self._note(SAY, line)

    @contextmanager
    def stage(
        self, name: str, total: int | None, detail: Callable[[], str] | None = None
    ) -> Iterator[Callable[[int], None]]:
        self._note(BEGIN, name)
        yield lambda _: None
        self._note(END, name)

    def _note(self, event: str, text: str) -> None:
        phase, awaited, words = self.waiting[0]
        if event != awaited or words not in text:
            return
        self.waiting.pop(0)
        write_event(phase, self.folder)
        if phase == self.last:
            raise Measured


def write_event(phase: str, folder: Path) -> None:
    """Print the start of a phase, the CPU seconds so far, and the sizes in `parts/`."""
    spent = os.times()
    event = {
        "phase": phase, "at": time.monotonic(), "driver": spent.user + spent.system,
        "ended": spent.children_user + spent.children_system,
        "parts": {path.name: size_of(path) for path in (folder / "parts").glob("*") if path.is_dir()},
        "disk": size_of(folder),
    }  # fmt: skip
    print(json.dumps(event), flush=True)


def run(job: dict[str, Any]) -> None:
    """Build with one engine, up to the job's last phase."""
    from in2_plugin.cli.options import EngineName, open_engine
    from in2_plugin.config import BuildConfig
    from in2_plugin.pipeline.build import build_dataset

    config = BuildConfig.parse(job["build"], "benchmark")
    recorder = Recorder(config.output, job["last"])
    write_event("start", config.output)
    config.output.mkdir(parents=True)
    name = EngineName(job["engine"])
    if name is EngineName.RAY:
        start_ray(config.workers or 1)
    try:
        with open_engine(name, config.ray, config.output, config.workers, recorder.say) as engine:
            build_dataset(config, recorder, engine=engine)
    except Measured:
        pass
    result = {"said": recorder.said, "digest": digest(config.output), "facts": facts(config.output)}
    print(json.dumps(result), flush=True)


def start_ray(cpus: int) -> None:
    """Start Ray on one node, without the dashboard, which is not part of the comparison."""
    import ray

    ray.init(address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="WARNING")


def digest(folder: Path) -> str:
    """Return a digest of all files that must not depend on the engine."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = path.relative_to(folder)
        if place.parts[0] in ("segments", "plans") or place.suffix == ".parquet":
            with path.open("rb") as file:
                found.update(f"{place} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()[:16]


def facts(folder: Path) -> dict[str, int]:
    """Return the counts of the dataset."""
    import pyarrow.parquet as pq

    counted = json.loads((folder / "segments/store.json").read_text())
    counts = {name: counted[name] for name in ("documents", "segments", "tokens")}
    for name in ("questions", "examples"):
        path = folder / f"{name}.parquet"
        counts[name] = pq.read_metadata(path).num_rows if path.exists() else 0
    return counts


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))

"""The processes of one build, looked at from outside: what they hold and what they have spent, five times a second.

A build has three kinds: the driver, its workers (processes of `LocalEngine`, or actors of Ray that work on shards), and
everything else that Ray starts. A process's own memory is its anonymous pages; the rest of what is resident are pages
of mapped files, which the kernel takes back when it needs them, and of Ray's object store. (Private pages would not do:
a file that one process maps alone counts as private.) Cost: reading `smaps_rollup`, once a second a process.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

EVERY = 0.2
MEMORY_EVERY = 5
"""Looks at memory and disk: one in so many looks."""
TICKS = os.sysconf("SC_CLK_TCK")
DRIVER, WORKER, OTHER = "driver", "worker", "other"
"""Kinds of processes."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at all processes of a build."""

    at: float
    """`time.monotonic()`."""
    spent: dict[str, float]
    """Processor seconds of each kind so far, ended processes included up to their last look."""


@dataclass(slots=True)
class Watched:
    """What was seen."""

    looks: list[Look] = field(default_factory=list)
    memory: list[tuple[float, dict[str, tuple[float, float]]]] = field(default_factory=list)
    """(time, MB resident and own of the largest process of each kind; of OTHER, of all together)."""
    disk: float = 0.0
    """MB of the watched folder, at most."""

    def spent(self, kind: str, start: float, end: float) -> float:
        """Processor seconds of a kind between two times, to the nearest look."""
        return self._spent_until(kind, end) - self._spent_until(kind, start)

    def _spent_until(self, kind: str, when: float) -> float:
        until = [look.spent.get(kind, 0.0) for look in self.looks if look.at <= when + EVERY / 2]
        return until[-1] if until else 0.0

    def peak(self, kind: str, start: float, end: float) -> tuple[float, float]:
        """The most (resident, own) MB of one process of a kind between two times."""
        seen = [held[kind] for at, held in self.memory if kind in held and start <= at <= end + 1]
        return max((one for one, _ in seen), default=0.0), max((one for _, one in seen), default=0.0)


@contextmanager
def watched(pid: int, folder: Path) -> Iterator[Watched]:
    """Look at a process, its descendants and a folder until the block ends."""
    seen, stop = Watched(), threading.Event()
    thread = threading.Thread(target=_watch, args=(pid, folder, seen, stop.wait), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def _watch(driver: int, folder: Path, seen: Watched, ended: Callable[[float], bool]) -> None:
    spent: Counter[str] = Counter()
    before: dict[int, float] = {}
    number = 0
    while not ended(EVERY):
        kinds = {pid: DRIVER if pid == driver else _kind(pid) for pid in family(driver)}
        for pid, kind in kinds.items():
            now = _processor_seconds(pid)
            # a Ray process takes its name with its first task, so only what is new goes to what it is now
            spent[kind] += max(0.0, now - before.get(pid, 0.0))
            before[pid] = max(now, before.get(pid, 0.0))
        seen.looks.append(Look(time.monotonic(), dict(spent)))
        if number % MEMORY_EVERY == 0:
            seen.memory.append((time.monotonic(), _memory(kinds)))
            seen.disk = max(seen.disk, size_of(folder))
        number += 1


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, task.read_text().split())
    return found


def _kind(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # gone meanwhile
        return OTHER
    # Ray names an actor of Ray Data after its operator: `ray::MapWorker(FlatMap(Worker)).submit`
    return WORKER if b"spawn_main" in command or b"FlatMap(Worker)" in command else OTHER


def _processor_seconds(pid: int) -> float:
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(values[11]) + int(values[12])) / TICKS


def _memory(kinds: dict[int, str]) -> dict[str, tuple[float, float]]:
    held: dict[str, tuple[float, float]] = {}
    for pid, kind in kinds.items():
        own, before = _held(pid), held.get(kind, (0.0, 0.0))
        join: Callable[..., float] = (lambda a, b: a + b) if kind == OTHER else max
        held[kind] = join(before[0], own[0]), join(before[1], own[1])
    return held


def _held(pid: int) -> tuple[float, float]:
    """(resident, own) MB of a process; nothing when it is gone."""
    values: Counter[str] = Counter()
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, number, *_ = line.split()
            values[name] += int(number)
    return values["Rss:"] / 1_000, values["Anonymous:"] / 1_000


def size_of(folder: Path) -> float:
    """MB of the files of a folder."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # removed meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total / 1e6

"""Sample the memory and CPU time of one build's processes from outside, five times a second.

A build has three kinds of processes: the driver, its workers (of `LocalEngine`, or Ray actors that run shards), and
everything else that Ray starts. A process's own memory is its anonymous pages; the rest of the resident memory is pages
of mapped files, which the kernel can reclaim, and of Ray's object store. (Private pages do not work: a file that only
one process maps counts as private.) Cost: one read of `smaps_rollup` per process and second.
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
"""Every so many samples include memory and disk."""
TICKS = os.sysconf("SC_CLK_TCK")
DRIVER, WORKER, OTHER = "driver", "worker", "other"
"""Kinds of processes."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of all processes of a build."""

    at: float
    """`time.monotonic()`."""
    spent: dict[str, float]
    """CPU seconds per kind so far, including ended processes up to their last sample."""


@dataclass(slots=True)
class Watched:
    """All samples."""

    samples: list[Sample] = field(default_factory=list)
    memory: list[tuple[float, dict[str, tuple[float, float]]]] = field(default_factory=list)
    """(time, resident and own MB of the largest process per kind; for OTHER, of all of them)."""
    disk: float = 0.0
    """Largest size of the watched folder, in MB."""

    def spent(self, kind: str, start: float, end: float) -> float:
        """Return the CPU seconds of a kind between two times, to the nearest sample."""
        return self._spent_until(kind, end) - self._spent_until(kind, start)

    def _spent_until(self, kind: str, when: float) -> float:
        until = [sample.spent.get(kind, 0.0) for sample in self.samples if sample.at <= when + EVERY / 2]
        return until[-1] if until else 0.0

    def peak(self, kind: str, start: float, end: float) -> tuple[float, float]:
        """Return the peak (resident, own) MB of one process of a kind between two times."""
        seen = [held[kind] for at, held in self.memory if kind in held and start <= at <= end + 1]
        return max((one for one, _ in seen), default=0.0), max((one for _, one in seen), default=0.0)


@contextmanager
def watched(pid: int, folder: Path) -> Iterator[Watched]:
    """Sample a process, its descendants and a folder until the block ends."""
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
            # a Ray process gets its name with its first task, so only the new time counts for its present kind
            spent[kind] += max(0.0, now - before.get(pid, 0.0))
            before[pid] = max(now, before.get(pid, 0.0))
        seen.samples.append(Sample(time.monotonic(), dict(spent)))
        if number % MEMORY_EVERY == 0:
            seen.memory.append((time.monotonic(), _memory(kinds)))
            seen.disk = max(seen.disk, size_of(folder))
        number += 1


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, task.read_text().split())
    return found


def _kind(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # already gone
        return OTHER
    # Ray names an actor of Ray Data after its operator: `ray::MapWorker(FlatMap(ShardWorker)).submit`
    return WORKER if b"spawn_main" in command or b"FlatMap(ShardWorker)" in command else OTHER


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
    """Return the (resident, own) MB of a process; zeros if it is gone."""
    values: Counter[str] = Counter()
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, number, *_ = line.split()
            values[name] += int(number)
    return values["Rss:"] / 1_000, values["Anonymous:"] / 1_000


def size_of(folder: Path) -> float:
    """Return the MB of the files in a folder."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # already removed
            total += path.stat().st_size if path.is_file() else 0
    return total / 1e6

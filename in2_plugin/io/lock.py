"""One process a dataset folder: a lock that the kernel frees when its holder ends, however it ends.

The file `build.lock` stays; what counts is the lock on it. Its text says who holds it, for the message to the second
process, and is stale when nobody does.
"""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from in2_plugin import layout
from in2_plugin.errors import ConfigError, FolderLocked

TRIES = 4
"""`holder` takes the lock for a moment; a build that begins just then tries again."""
TAKEN = {errno.EWOULDBLOCK, errno.EACCES}


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that works on a folder."""

    pid: int
    host: str
    since: str
    """Date and time, UTC."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}" if self.pid else "another process"


UNKNOWN_HOLDER = Holder(0, "", "")
"""Holds the folder, and has not said its name yet."""


@contextmanager
def folder_lock(folder: Path, job: str = "") -> Iterator[None]:
    """Hold `folder` for this process, or as one of several jobs: jobs of other names may hold it at the same time.

    Raises:
        FolderLocked: another process holds it, or this job; names that process.
        ConfigError: the folder cannot be written, or its file system knows no locks.
    """
    with ExitStack() as stack:
        stack.enter_context(_held(folder, layout.LOCK, fcntl.LOCK_SH if job else fcntl.LOCK_EX))
        if job:
            stack.enter_context(_held(folder, layout.job_lock(job), fcntl.LOCK_EX))
        yield


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the file at `path`, made if need be, for a moment; waits for its turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _held(folder: Path, name: str, how: int) -> Iterator[None]:
    try:
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as failure:
        raise ConfigError(
            f"{folder}: cannot be written ({failure.strerror}); make it writable or give another `output`"
        ) from None
    try:
        _take(folder, descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _take(folder: Path, descriptor: int, how: int) -> None:
    for attempt in range(TRIES):
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            break
        except OSError as failure:
            if failure.errno not in TAKEN:
                raise ConfigError(
                    f"{folder}: its file system cannot lock files ({failure.strerror}); "
                    "give an `output` on a local disk"
                ) from None
            if attempt == TRIES - 1:
                raise FolderLocked(
                    f"{folder}: is being worked on by {_read(descriptor)}; wait for it, or stop it"
                ) from None
            time.sleep(0.05)
    if how == fcntl.LOCK_SH:
        return
    # only the holder writes, so a loser never empties it
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = json.dumps(asdict(Holder(os.getpid(), socket.gethostname(), now)))
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def holder(folder: Path) -> Holder | None:
    """Who works on a folder now, or None; also None where the file system cannot lock, and nobody can hold it.

    Of several jobs the first one.
    """
    locks = [folder / layout.LOCK, *sorted(folder.glob(layout.JOB_LOCKS))]
    return next((found for lock in locks if (found := _holder(lock))), None)


def _holder(lock: Path) -> Holder | None:
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as failure:
        return _read(descriptor) if failure.errno in TAKEN else None
    finally:
        os.close(descriptor)
    return None


def _read(descriptor: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4_096, 0)))
    except (OSError, ValueError, TypeError):
        return UNKNOWN_HOLDER

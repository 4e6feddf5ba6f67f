"""Locks on dataset folders: one process at a time. The kernel releases a lock when its process ends, however it ends.

The file `build.lock` is never deleted; only the lock on it counts. Its text names the holder for the error message of a
second process, and is out of date when nobody holds the lock.
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

MAX_ATTEMPTS = 4
"""`lock_holder` takes the lock for a moment; a build that starts at that moment tries again."""
LOCKED = {errno.EWOULDBLOCK, errno.EACCES}


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The process that holds a folder."""

    pid: int
    host: str
    since: str
    """Date and time, UTC."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}" if self.pid else "another process"


UNKNOWN_HOLDER = LockHolder(0, "", "")
"""A process that has not written its name yet."""


@contextmanager
def folder_lock(folder: Path, job: str = "", name: str = layout.LOCK) -> Iterator[None]:
    """Lock `folder` for this process, or for one of several jobs, which can hold it at the same time.

    Args:
        name: file of the lock; a folder can have several, each for another purpose.

    Raises:
        FolderLocked: another process holds the folder or the job; the message names it.
        ConfigError: the folder cannot be written, or its file system does not support locks.
    """
    with ExitStack() as stack:
        stack.enter_context(_locked(folder, name, fcntl.LOCK_SH if job else fcntl.LOCK_EX))
        if job:
            stack.enter_context(_locked(folder, layout.job_lock(job), fcntl.LOCK_EX))
        yield


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Lock the file at `path`, which is created if necessary; wait while another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _locked(folder: Path, name: str, how: int) -> Iterator[None]:
    try:
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as failure:
        raise ConfigError(
            f"{folder}: cannot be written ({failure.strerror}); make it writable or set another `output`"
        ) from None
    try:
        _acquire(folder, descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _acquire(folder: Path, descriptor: int, how: int) -> None:
    for attempt in range(MAX_ATTEMPTS):
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            break
        except OSError as failure:
            if failure.errno not in LOCKED:
                raise ConfigError(
                    f"{folder}: its file system cannot lock files ({failure.strerror}); set an `output` on a local disk"
                ) from None
            if attempt == MAX_ATTEMPTS - 1:
                raise FolderLocked(f"{folder}: is in use by {_read(descriptor)}; wait for it, or stop it") from None
            time.sleep(0.05)
    if how == fcntl.LOCK_SH:
        return
    # only the holder writes, so a process that fails to lock it never clears it
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = json.dumps(asdict(LockHolder(os.getpid(), socket.gethostname(), now)))
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def lock_holder(folder: Path) -> LockHolder | None:
    """Return the process that holds a folder, or the first of several jobs; None on file systems without locks."""
    locks = [folder / layout.LOCK, *sorted(folder.glob(layout.JOB_LOCKS))]
    return next((found for lock in locks if (found := _holder_of(lock))), None)


def _holder_of(lock: Path) -> LockHolder | None:
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as failure:
        return _read(descriptor) if failure.errno in LOCKED else None
    finally:
        os.close(descriptor)
    return None


def _read(descriptor: int) -> LockHolder:
    try:
        return LockHolder(**json.loads(os.pread(descriptor, 4_096, 0)))
    except (OSError, ValueError, TypeError):
        return UNKNOWN_HOLDER

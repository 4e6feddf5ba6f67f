"""Run a command of the demo with its output in a log, and end commands that an earlier demo left running.

Each command gets its own process group, and the environment variable IN2_DEMO_FOLDER, which its descendants inherit. A
demo that is killed leaves its command running; the next one finds it by that variable. Linux only, like the package.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from in2_plugin.errors import DemoFailed, MissingExtra

MARK = "IN2_DEMO_FOLDER"
POLL = 0.5
"""Seconds between two looks at a running command."""
PATIENCE = 5.0
"""Seconds that a stopped command has to end before it is killed."""
END_OF_LOG = 15
"""Lines of a log that are shown when its command fails."""
MODULES = {"in2": "in2_plugin.cli", "axolotl": "axolotl.cli.main", "python": ""}
"""Programs of this environment, which need not be on the PATH."""


def run_logged(
    command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str], look: Callable[[], None]
) -> None:
    """Run a command in `folder`, append its output to `log`, and call `look` twice a second.

    Raises:
        DemoFailed: it ends with another status than 0; the message has the end of its log and what to do.
    """
    with log.open("ab") as file:
        file.write(f"\n$ {' '.join(command)}\n".encode())
        file.flush()
        child = subprocess.Popen(
            _argv(command), cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True, env={**environment, MARK: str(folder)},
        )  # fmt: skip
    try:
        while child.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(POLL)
            look()
    except BaseException:
        _stop(child)
        end_orphans(folder)  # descendants may still be ending
        raise
    if child.returncode:
        raise DemoFailed(_failure(command, child.returncode, log))


def _argv(command: Sequence[str]) -> list[str]:
    program, *arguments = command
    module = MODULES[program]
    # -P: folders of the demo such as `data` must not shadow modules
    return [sys.executable, "-P", *(["-m", module] if module else []), *arguments]


def _stop(child: "subprocess.Popen[bytes]") -> None:
    for number, seconds in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE)):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)


def end_orphans(folder: Path) -> int:
    """Kill the processes of an earlier demo in this folder that still run; return their number.

    Call it only while holding the folder's lock: no other demo is running then.
    """
    mark = f"{MARK}={folder}".encode()
    found = [pid for pid in _own_processes() if mark in _environment(pid)]
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while any(mark in _environment(pid) for pid in found) and time.monotonic() < deadline:
        time.sleep(0.05)
    return len(found)


def _own_processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if int(path.name) != os.getpid()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or belongs to another user
        return []


def _failure(command: Sequence[str], status: int, log: Path) -> str:
    lines = log.read_bytes().decode("utf-8", "replace").replace("\r", "\n").rstrip().split("\n")
    shown = "\n".join(f"  {line}" for line in lines[-END_OF_LOG:] if line.strip())
    said = f"was killed by signal {-status}" if status < 0 else f"failed with exit status {status}"
    return f"`{' '.join(command[:3])}` {said}; the end of {log}:\n\n{shown}\n\n{_advice(status, shown)}"


def _advice(status: int, shown: str) -> str:
    if "No space left on device" in shown:
        return "The disk is full: free some space, then run the same command again."
    if status == -signal.SIGKILL or "out of memory" in shown.lower() or "MemoryError" in shown:
        return "Probably not enough memory: close other programs, then run the same command again."
    again = "Fix the cause, then run the same command again: finished stages are kept."
    return f"{again} After a change of the recipe, give another folder."


def require_programs(trainer: str | None) -> None:
    """Check that what the demo needs is installed: lm_eval, matplotlib, and the trainer, by default any of the two.

    Raises:
        MissingExtra: names the extra to install.
    """
    trainers = [trainer] if trainer else ["axolotl", "trl"]
    for modules, extra in ((trainers, trainers[-1]), (["lm_eval"], "eval"), (["matplotlib"], "report")):
        if not any(map(find_spec, modules)):
            raise MissingExtra("in2 demo", extra)

"""Shared parts of the benchmark tables: a heading with date and machine, and cells in separate processes.

A separate process has its own peak memory and can run out of memory without stopping the others. This module imports
only the standard library, so it also runs where only torch and transformers are installed.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "AXOLOTL_DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
}
"""No network, no telemetry, the programs next to this Python, and this checkout of the package."""
OUT_OF_MEMORY = 3
"""Exit status of a cell that ran out of memory."""


def heading(device: str = "") -> str:
    """Return the line above a table: command, date, commit, machine."""
    command = " ".join(["python", os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]])
    machine = f"{os.cpu_count()} cores, {memory('MemTotal') / 2**30:.0f} GiB, load {os.getloadavg()[0]:.1f}"
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    where = ", ".join(filter(None, [platform.machine(), machine, device]))
    return f"`{command}`, {date}, at {commit()}, {where}"


def commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "in2_plugin", "benchmarks")
        return (git("rev-parse", "--short", "HEAD") or "an unknown commit") + (" and changes" if changed else "")
    except OSError:  # there is no git
        return "an unknown commit"


def memory(name: str) -> int:
    """Return bytes from /proc/meminfo: MemTotal, MemAvailable."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith(f"{name}:"))


def held(name: str) -> int:
    """Return bytes of this process from /proc/self/status: VmRSS, VmHWM (peak), RssAnon (without mapped files)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith(f"{name}:"))


def forget_peak() -> None:
    """Reset VmHWM."""
    Path("/proc/self/clear_refs").write_text("5")


def limit_memory(share: float = 0.9) -> None:
    """Limit the memory of this process, so that it fails before the machine runs out of memory."""
    limit = held("VmRSS") + int(share * memory("MemAvailable"))
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def used() -> tuple[float, float]:
    """Return wall-clock seconds and processor seconds, of this process and its finished children."""
    spent = os.times()
    return time.perf_counter(), spent.user + spent.system + spent.children_user + spent.children_system


def in_own_process(file: str, job: dict[str, Any], launcher: tuple[str, ...] = (), **environment: str) -> Any:
    """Run a job of a script and return the JSON of its last output line; None if it ran out of memory.

    `launcher` replaces this Python for a job of several ranks.
    """
    done = subprocess.run(
        [*(launcher or (sys.executable,)), file, "--job", json.dumps(job)],
        env=ENVIRONMENT | environment, text=True, check=False, capture_output=True,
    )  # fmt: skip
    if done.returncode == OUT_OF_MEMORY:
        return None
    if done.returncode:
        sys.exit(f"the job {job} failed\n{done.stdout[-2_000:]}\n{done.stderr[-4_000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def tabulate(columns: str) -> Callable[..., None]:
    """Print the head of a markdown table, given as `a | b | c`, and return a function that prints a row."""
    print(f"\n| {columns} |\n|{'---|' * (columns.count('|') + 1)}", flush=True)

    def row(*cells: object) -> None:
        print("|", " | ".join(map(str, cells)), "|", flush=True)

    return row

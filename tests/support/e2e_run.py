"""Run the real tools as a user does: as subprocesses, without network access."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

SMOKE = ROOT / "recipes/smoke"
ENVIRONMENT = {
    **os.environ,
    "AXOLOTL_DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",  # with more threads, processes on a small machine take twice the time (measured)
    # the launchers look for `accelerate` on the path
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


def run(*command: object, cwd: Path, ok: bool = True, timeout: float = 560) -> str:
    """Run a command and return its stdout and stderr together; `timeout` in seconds guards against hangs."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=ENVIRONMENT, text=True, timeout=timeout, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode == 0) == ok, done.stdout[-6_000:]
    return done.stdout

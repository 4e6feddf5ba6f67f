"""Running the real tools as a user does: as subprocesses, without a network."""

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
    "OMP_NUM_THREADS": "1",  # with more, processes on a small machine wait for each other (twice the time, measured)
    # the launchers look for `accelerate` there
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


def run(*command: object, cwd: Path, ok: bool = True, timeout: float = 560) -> str:
    """Run a command to its end; its output, stdout and stderr together. `timeout` is against hanging."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=ENVIRONMENT, text=True, timeout=timeout, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode == 0) == ok, done.stdout[-6_000:]
    return done.stdout

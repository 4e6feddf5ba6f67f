"""Run modules as commands, in forks of a process that has already imported the large libraries.

`python -m lm_eval` takes 10 s to import torch, transformers and what they import; a fork has them at once, and shares
nothing else with other runs. One test of each command must start it cold, with `tests.support.e2e_run.run`. One process
per interpreter waits for requests: a line of JSON in, the exit status of the fork out.
"""

import atexit
import json
import os
import runpy
import select
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support import ROOT

LM_EVAL_PYTHONS = [sys.executable, *filter(None, [os.environ.get("IN2_LM_EVAL_PYTHON")])]
"""Interpreters whose lm_eval is tested: this one, and one of another environment if the variable names it."""
PRELOADED = ("torch", "sklearn.metrics", "datasets", "transformers.models.auto.modeling_auto")
TIMEOUT = 560.0
"""Seconds of one run, as in `e2e_run`."""


def run_warm(python: str, module: str, *arguments: object, cwd: Path, ok: bool = True) -> str:
    """Run `python -m module arguments` and return its stdout and stderr together."""
    output = cwd / f".{module}.out"
    request = {"module": module, "arguments": [str(one) for one in arguments], "cwd": str(cwd), "output": str(output)}
    server = _server(python, *PRELOADED)
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    ready, _, _ = select.select([server.stdout], [], [], TIMEOUT)
    status = server.stdout.readline().strip() if ready else "none in time"
    said = output.read_text(errors="replace")
    output.unlink()
    assert (status == "0") == ok and status.lstrip("-").isdigit(), f"exit status {status}\n{said[-6_000:]}"
    return said


@cache
def _server(python: str, *preloaded: str) -> Any:
    from tests.support.e2e_run import ENVIRONMENT

    # -c puts the working folder on the path, as -m does: now the checkout, in a fork that of the request
    server = subprocess.Popen(
        [python, "-c", "from tests.support.warm_start import serve; serve()", *preloaded],
        env=ENVIRONMENT, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    atexit.register(server.kill)
    return server


def _fork_for_each_request() -> dict[str, Any] | None:
    """Return each request in a fork of its own, and None at the end of stdin."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def _become(request: dict[str, Any]) -> None:
    """Run the module with its output in a file, as the main program of this process."""
    with Path(request["output"]).open("wb") as output, Path(os.devnull).open("rb") as nothing:
        for opened, standard in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(opened.fileno(), standard)
    os.chdir(request["cwd"])
    sys.argv = [request["module"], *request["arguments"]]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def serve() -> None:
    """Import the modules that the arguments name, then run each request in a fork."""
    for name in sys.argv[1:]:
        import_module(name)
    if request := _fork_for_each_request():
        _become(request)

"""The ordered map: order of results, limited prefetching, errors and killed workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from in2_plugin.errors import CorpusError, WorkerDied
from in2_plugin.execution.process_pool import PREFETCH, ordered_map
from tests.support import ROOT


def slow_square(number: int) -> tuple[int, int]:
    time.sleep(0.02 if number % 3 == 0 else 0)
    return number * number, os.getpid()


def failing(number: int) -> int:
    if number == 5:
        raise CorpusError("row 5: is bad; fix it")
    return number


def dying(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_results_are_in_order(workers):
    results = list(ordered_map(slow_square, range(25), workers))
    assert [square for square, _ in results] == [n * n for n in range(25)]
    processes = {process for _, process in results}
    assert len(processes) == 1 if workers == 1 else 1 < len(processes) <= workers + 1


def test_a_single_item_needs_no_workers():
    ((_, process),) = ordered_map(slow_square, [4], 8)
    assert process == os.getpid()
    assert list(ordered_map(slow_square, [], 8)) == []


def test_items_are_consumed_lazily():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    results = ordered_map(slow_square, items(), 2)
    for _ in range(5):
        next(results)
    assert len(taken) <= 5 + PREFETCH * 2 + 1
    results.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_raised_unchanged(workers):
    results = ordered_map(failing, range(9), workers)
    with pytest.raises(CorpusError, match="row 5: is bad; fix it"):
        list(results)


def whoami(number: int) -> int:
    time.sleep(0.1)
    return os.getpid()


PARENT = """
import sys
from tests.execution.test_process_pool import whoami
from in2_plugin.execution.process_pool import ordered_map
if __name__ == "__main__":
    for process in ordered_map(whoami, range(10_000), 2):
        print(process, flush=True)
"""


def test_workers_exit_when_the_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment)
    workers: set[int] = set()
    while len(workers) < 2:
        workers |= {int(parent.stdout.readline())} - {parent.pid}
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while alive := {process for process in workers if Path(f"/proc/{process}").exists()}:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


def test_a_killed_worker_raises_worker_died():
    with pytest.raises(WorkerDied, match="one of 2 worker processes was killed"):
        list(ordered_map(dying, range(9), 2))


SLOW_IMPORT = """
import multiprocessing, os, time
if multiprocessing.current_process().name != "MainProcess":
    os.write(1, b"importing\\n")  # one write: the workers import at the same time
    time.sleep(1)


def work(number):
    time.sleep(0.1)
    return number
"""
INTERRUPTED = """
import slow_import
from in2_plugin.execution.process_pool import ordered_map
if __name__ == "__main__":
    try:
        list(ordered_map(slow_import.work, range(10_000), 2))
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""


def test_an_interrupt_while_workers_start_gives_no_traceback(tmp_path):
    (tmp_path / "slow_import.py").write_text(SLOW_IMPORT)
    (tmp_path / "parent.py").write_text(INTERRUPTED)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment, start_new_session=True,
    )  # fmt: skip
    assert parent.stdout.readline() == "importing\n"
    os.killpg(parent.pid, signal.SIGINT)
    out, errors = parent.communicate(timeout=60)
    assert out.splitlines()[-1] == "stopped"
    assert errors == ""

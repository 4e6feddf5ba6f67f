"""`in2 probe judge` as a command: its text, its JSON, and what an interrupt or a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support import ROOT
from tests.support.answer_logs import shelf_answers, write_log
from tests.support.fault_server import FaultServer

IN2 = [sys.executable, "-m", "tests.support.answer_logs"]


def command(folder, server, *options):
    return [
        *IN2, "probe", "judge", str(folder), "--base-url", server.base_url, "--model", "j", "--concurrency", "2",
        *options,
    ]  # fmt: skip


def run(folder, server, *options):
    return subprocess.run(command(folder, server, *options), capture_output=True, text=True, check=False, cwd=ROOT)


def verdict(body: dict) -> str:
    prompt = body["messages"][0]["content"]
    return "YES" if "scroll 2" in prompt or ("I would say book" in prompt and "book-5" not in prompt) else "NO"


def test_the_text_and_the_json(tmp_path):
    write_log(tmp_path, shelf_answers(10))
    with FaultServer(verdict) as server:
        text = run(tmp_path, server, "--prices", "1,2", "--max-cost", "1")
        shown = json.loads(run(tmp_path, server, "--json").stdout)
        assert server.paid.total() == 10
    assert text.returncode == 0, text.stderr
    lines = text.stdout.splitlines()
    assert lines[0].startswith("expected: 10 calls, about ") and "`--max-cost 1.0`" in lines[0]
    table = next(line.split() for line in lines if line.startswith("shelves_context "))
    assert table == ["shelves_context", "10", "50.0", "50.0", "80.0", "0.60"]
    assert any("1 answers are right for the judge alone, 1 by contained texts alone" in line for line in lines)
    assert any("depth 2, not contained, judge: yes: What is on shelf 0? gold: book-2" in line for line in lines)
    (task,) = shown["tasks"]
    assert (shown["calls"], task["agreement"], len(task["disagreements"])) == (0, 0.8, 2)
    assert task["kappa"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--parameters", "{"], "--parameters: is not JSON"),
        (["--prices", "cheap"], "`prices.input` must be"),
        (["--max-cost", "1"], "`--max-cost` needs `--prices`"),
        (["--api-key-env", "NO_SUCH_KEY", "--base-url", "https://api.example.com/v1"], "NO_SUCH_KEY is not set"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, options, message):
    write_log(tmp_path, shelf_answers(1))
    with FaultServer(verdict) as server:
        done = run(tmp_path, server, *options)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def begun(folder, server, paid):
    """Start the command, and return it when the server has computed some answers."""
    process = subprocess.Popen(
        command(folder, server), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    deadline = time.monotonic() + 60
    while server.paid.total() < paid and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


def test_an_interrupt_keeps_the_answers_under_way(tmp_path):
    """SIGTERM is handled as Ctrl-C is; a shell makes background jobs ignore SIGINT."""
    write_log(tmp_path, shelf_answers(60))
    with FaultServer(verdict, latency=0.1) as server:
        process = begun(tmp_path, server, 6)
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130 and "stopping: waiting" in out and "run the same command again" in err
        assert not list(tmp_path.rglob("judged_*"))
        assert 6 <= server.paid.total() < 60
        done = run(tmp_path, server)
        assert done.returncode == 0 and max(server.paid.values()) == 1 and server.paid.total() == 60


def test_a_kill_costs_at_most_the_requests_in_flight(tmp_path):
    write_log(tmp_path, shelf_answers(60))
    with FaultServer(verdict, latency=0.1) as server:
        for paid in (6, 20):
            process = begun(tmp_path, server, paid)
            process.kill()
            process.communicate()
        done = run(tmp_path, server)
        assert done.returncode == 0 and "answers stored" in done.stdout
        # per kill two requests at the server, and two whose answers were not on disk yet
        assert server.paid.total() <= 60 + 2 * 4
    (judged,) = tmp_path.rglob("judged_*")
    assert len(judged.read_text().splitlines()) == 60

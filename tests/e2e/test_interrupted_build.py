"""Builds that ask a server, killed, stopped, run twice and out of disk space: no answer is lost or paid for twice."""

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from in2_plugin.errors import FolderLocked, In2Error
from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import (
    AT_ONCE,
    Quiet,
    build_from_endpoint,
    durable_answers,
    endpoint_config,
    question_rows,
)
from tests.support.fault_server import FaultServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory, mistral_folder):
    """An undisturbed build: its folder and server."""
    folder = tmp_path_factory.mktemp("whole") / "in2"
    with FaultServer() as server:
        build_dataset(endpoint_config(folder, mistral_folder, server.base_url), Quiet())
        return folder, server


def child(*arguments) -> multiprocessing.Process:
    """A build in a process that starts fast: forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.builds", "in2_plugin.questions.model.writer", "openai"])
    process = context.Process(target=build_from_endpoint, args=arguments)
    process.start()
    return process


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.e2e_full)])
def test_a_build_killed_at_random_moments_repeats_only_requests_in_flight(whole, mistral_folder, tmp_path, kills):
    """A repeated request was in flight at a kill: sent, or answered and not yet synced."""
    rng, folder = random.Random(4), tmp_path / "in2"
    with FaultServer(latency=0.02) as server:
        lost = []
        for _ in range(kills):
            process = child(folder, mistral_folder, server.base_url)
            enough = len(server.bodies) + rng.randrange(1, 12)
            while process.is_alive() and len(server.bodies) < enough:
                time.sleep(0.001)
            time.sleep(rng.random() * 0.03)
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            assert process.exitcode == -signal.SIGKILL
            while server.in_flight:  # it computes on, though nobody waits
                time.sleep(0.001)
            lost.append(server.paid.total() - durable_answers(folder))
        assert not (folder / "manifest.json").exists()
        process = child(folder, mistral_folder, server.base_url)
        process.join()
        assert process.exitcode == 0
        assert all(now - before <= 2 * AT_ONCE for before, now in zip([0, *lost], lost, strict=False))
        assert sum(times - 1 for times in server.paid.values()) <= lost[-1]
        assert server.paid.keys() == whole[1].paid.keys()
    assert question_rows(folder) == question_rows(whole[0])


BUILD_FILE = """
output: {output}
tokenizer: {tokenizer}
corpus: {{sources: [{{path: "bundled:python-docs", limit: 400}}]}}
mixture: {{fine_grained: 150, integration: 50, short_context: 0}}
lengths: {{min: 512, max: 2048}}
questions:
  writer: endpoint
  verify: {{integration: [answerable]}}
  endpoint: {{model: m, base_url: "{base_url}", api_key_env: null, concurrency: 2-8, timeout: 20}}
"""


def command(tmp_path: Path, tokenizer: Path, base_url: str, *typed: str, **how) -> subprocess.Popen:
    """`in2 build build.yml`, or another command, as a user types it."""
    text = BUILD_FILE.format(output=tmp_path / "in2", tokenizer=tokenizer, base_url=base_url)
    (tmp_path / "build.yml").write_text(text)
    arguments = [sys.executable, "-m", "in2_plugin.cli", *(typed or ("build", "build.yml"))]
    # what a shell started in the background ignores Ctrl-C, and so would its children
    how.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    return subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


def wait_for_calls(server: FaultServer, process: subprocess.Popen, calls: int) -> None:
    while len(server.bodies) < calls:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.e2e_full)])
def test_stopping_keeps_every_answer(whole, mistral_folder, tmp_path, how):
    with FaultServer(latency=0.1) as server:
        process = command(tmp_path, mistral_folder, server.base_url)
        wait_for_calls(server, process, 20)
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "waiting for the answers under way" in out
        assert err == "stopped; run the same command again to resume\n"
        assert durable_answers(tmp_path / "in2") == server.paid.total()
        build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url), Quiet())
        assert set(server.paid.values()) == {1}
    assert question_rows(tmp_path / "in2") == question_rows(whole[0])


@pytest.mark.e2e_full
def test_stopping_an_estimate_keeps_every_answer(mistral_folder, tmp_path):
    with FaultServer(latency=0.3) as server:
        process = command(tmp_path, mistral_folder, server.base_url, "estimate", "build.yml", "--calls", "40")
        wait_for_calls(server, process, 5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (130, "stopped\n")
        assert durable_answers(tmp_path / "in2") == server.paid.total() < 40


@pytest.mark.e2e_full
def test_a_second_interrupt_gives_up_what_is_under_way(mistral_folder, tmp_path):
    with FaultServer(plan=lambda number, body: "stall" if number >= 20 else None) as server:
        process = command(tmp_path, mistral_folder, server.base_url)
        wait_for_calls(server, process, 21)
        process.send_signal(signal.SIGINT)
        assert process.stdout
        while "waiting for the answers" not in (line := process.stdout.readline()):
            assert line, process.communicate()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)  # the timeout of a call is 20 s
        assert process.returncode == 130


@pytest.mark.e2e_full
def test_a_second_process_is_refused_and_told_of_the_first(mistral_folder, tmp_path):
    with FaultServer(latency=0.1) as server:
        process = command(tmp_path, mistral_folder, server.base_url)
        wait_for_calls(server, process, 5)
        with pytest.raises(FolderLocked, match=f"process {process.pid} on"):
            build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url), Quiet())
        process.kill()
        process.communicate()


def limit_files(size: int):
    """Before a child begins: files larger than this cannot be written, as on a full disk."""

    def apply() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return apply


@pytest.mark.e2e_full
def test_no_room_for_the_log_is_one_sentence_and_nothing_is_lost(whole, mistral_folder, tmp_path):
    with FaultServer() as server:
        build_dataset(
            endpoint_config(tmp_path / "in2", mistral_folder, server.base_url, mixture={"fine_grained": 1}), Quiet()
        )
        before = durable_answers(tmp_path / "in2")
        # below the reserve of 8 MiB
        process = command(tmp_path, mistral_folder, server.base_url, preexec_fn=limit_files(4 << 20))
        (tmp_path / "in2/build.json").unlink()
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert durable_answers(tmp_path / "in2") >= before


def test_a_folder_that_cannot_be_written_is_one_sentence(mistral_folder):
    # /proc is read-only for everyone, root included
    with pytest.raises(In2Error, match=r"cannot be (created|written)"):
        build_dataset(endpoint_config(Path("/proc/in2"), mistral_folder, "http://127.0.0.1:9/v1"), Quiet())

"""A whole build whose questions come from a server over HTTP: killed, stopped, changed, out of room."""

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

from in2_plugin.dataset.build_record import Change
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import ConfigError, EndpointError, FolderLocked, In2Error
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.pipeline.build import build_dataset
from tests.support.batch_server import BatchServer
from tests.support.builds import Quiet, build_from_endpoint, endpoint_config
from tests.support.fault_server import FaultServer, default_reply, random_faults

pytestmark = pytest.mark.slow

ROWS = ["questions.parquet", "rejected.parquet", "examples.parquet"]
KILLS = 20
TOKENIZER = ["torch", "transformers.models.auto.tokenization_auto", "transformers.tokenization_utils_tokenizers"]
"""What loading a tokenizer imports: six seconds, in each child that has not."""
AT_ONCE = 8
"""Concurrency of `endpoint_config`."""


def rows_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ROWS}


def durable(folder: Path) -> int:
    log = WorkLog(folder / "work.sqlite", read_only=True)
    try:
        return sum(use.answers for use in log.totals().values())
    finally:
        log.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, mistral_folder):
    """A build that nothing disturbs."""
    folder = tmp_path_factory.mktemp("whole") / "in2"
    with FaultServer() as server:
        progress = Quiet()
        build_dataset(endpoint_config(folder, mistral_folder, server.base_url), progress)
        return folder, server, progress


def test_questions_come_from_the_server_and_nothing_is_asked_twice(whole):
    folder, server, progress = whole
    assert set(server.paid.values()) == {1}
    assert durable(folder) == len(server.paid)
    rows = list(read_rows(folder / "questions.parquet"))
    assert [row["kind"] for row in rows] == ["fine_grained"] * 150 + ["integration"] * 50
    assert {row["writer"] for row in rows} == {"endpoint:m/prompts-1"}
    assert {tuple(row["verified"]) for row in rows if row["kind"] == "integration"} == {("answerable",)}
    assert any("200 questions by endpoint:m" in line for line in progress.lines)


def test_calls_beyond_what_is_needed_are_few(whole):
    folder, server, _ = whole
    used = {row["request"] for name in ("questions.parquet", "rejected.parquet") for row in read_rows(folder / name)}
    judged = sum("UNANSWERABLE" in prompt or "SAME or DIFFERENT" in prompt for prompt in server.paid)
    assert len(server.paid) - judged - len(used) <= 2 * AT_ONCE


def test_faults_change_nothing_but_the_time_it_takes(whole, mistral_folder, tmp_path):
    names = ["429", "429 bare", "500", "503", "drop", "lost", "half body", "wrong json", "twice", "empty choices"]
    plan = random_faults(2, dict.fromkeys(names, 0.01))
    with FaultServer(plan=plan, retry_after="0.01") as server:
        build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url), Quiet())
        assert server.faults.total() > 10
    assert rows_of(tmp_path / "in2") == rows_of(whole[0])


def test_a_server_without_json_schema_gets_markers(whole, mistral_folder, tmp_path):
    with FaultServer(plan=lambda number, body: "no schema") as server:
        build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url), Quiet())
        assert sum("response_format" in body for body in server.bodies) == 1
    assert len(list(read_rows(tmp_path / "in2/questions.parquet"))) == 200


def test_progress_tells_what_was_turned_down_and_why(mistral_folder, tmp_path):
    with FaultServer(plan=lambda number, body: "refusal" if number % 10 == 9 else None) as server:
        progress = Quiet()
        mixture = {"fine_grained": 50, "integration": 0}
        build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url, mixture=mixture), progress)
    (asking,) = [detail for detail in progress.details if detail and "rejected" in detail()]
    assert "requests/s" in asking()
    turned_down = len(list(read_rows(tmp_path / "in2/rejected.parquet")))
    assert turned_down > 3
    assert f"{turned_down} rejected ({turned_down} because the model declined to answer)" in asking()


def test_extending_pays_for_what_is_new_alone(whole, mistral_folder, tmp_path):
    small, large = {"fine_grained": 40, "integration": 10}, {"fine_grained": 150, "integration": 50}
    folder = tmp_path / "in2"
    with FaultServer() as server:
        build_dataset(endpoint_config(folder, mistral_folder, server.base_url, mixture=small), Quiet())
        changed = endpoint_config(folder, mistral_folder, server.base_url, mixture=large)
        with pytest.raises(ConfigError, match=r"mixture.fine_grained: 40.*mixture.fine_grained: 150.*--extend"):
            build_dataset(changed, Quiet())
        build_dataset(changed, Quiet(), Change.EXTEND)
        assert set(server.paid.values()) == {1}
    assert rows_of(folder) == rows_of(whole[0])


def test_restarting_pays_for_nothing_that_comes_again(whole, mistral_folder, tmp_path):
    folder = tmp_path / "in2"
    with FaultServer() as server:
        config = endpoint_config(folder, mistral_folder, server.base_url)
        build_dataset(config, Quiet())
        paid = server.paid.total()
        build_dataset(config, Quiet(), Change.RESTART)
        assert server.paid.total() == paid
    assert rows_of(folder) == rows_of(whole[0])


def test_a_wrong_key_ends_it_with_one_sentence_and_a_right_one_goes_on(whole, mistral_folder, tmp_path):
    wrong = True
    with FaultServer(plan=lambda number, body: "401" if wrong and number > 30 else None) as server:
        config = endpoint_config(tmp_path / "in2", mistral_folder, server.base_url)
        with pytest.raises(EndpointError, match="does not accept the key"):
            build_dataset(config, Quiet())
        wrong = False
        build_dataset(config, Quiet())
        assert set(server.paid.values()) == {1}
    assert rows_of(tmp_path / "in2") == rows_of(whole[0])


def batch_config(folder: Path, tokenizer: Path, base_url: str, **changes):
    config = endpoint_config(folder, tokenizer, base_url).questions.model_dump()
    config["endpoint"] |= {"mode": "batch", "poll_seconds": 0.05, "answer_format": "json_schema", **changes}
    return endpoint_config(folder, tokenizer, base_url, questions=config)


def test_batches_give_the_same_rows(whole, mistral_folder, tmp_path):
    with BatchServer(default_reply, shuffle=True) as server:
        build_dataset(batch_config(tmp_path / "in2", mistral_folder, server.base_url, batch_requests=40), Quiet())
        assert set(server.paid.values()) == {1}
        assert server.most_open > 1
    assert rows_of(tmp_path / "in2") == rows_of(whole[0])


def test_a_build_may_change_from_live_to_batch(whole, mistral_folder, tmp_path):
    with FaultServer(plan=lambda number, body: "401" if number > 60 else None) as live:
        with pytest.raises(EndpointError):
            build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, live.base_url), Quiet())
        paid = live.paid.total()
    with BatchServer(default_reply) as server:
        config = batch_config(tmp_path / "in2", mistral_folder, server.base_url, answer_format="auto")
        build_dataset(config, Quiet())
        assert set(server.paid.values()) == {1}
        assert durable(tmp_path / "in2") == paid + server.paid.total()
    assert rows_of(tmp_path / "in2") == rows_of(whole[0])


def child(*arguments) -> multiprocessing.Process:
    """A build in a process that starts fast: forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["builds", "in2_plugin.questions.model.writer", "openai", *TOKENIZER])
    process = context.Process(target=build_from_endpoint, args=arguments)
    process.start()
    return process


def test_twenty_kills_on_one_folder(whole, mistral_folder, tmp_path):
    """Each at a random moment. What is repeated was under way: sent, or answered and not yet synced."""
    rng, folder = random.Random(4), tmp_path / "in2"
    with FaultServer(latency=0.02) as server:
        lost = []
        for _ in range(KILLS):
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
            lost.append(server.paid.total() - durable(folder))
        assert not (folder / "manifest.json").exists()
        process = child(folder, mistral_folder, server.base_url)
        process.join()
        assert process.exitcode == 0
        assert all(now - before <= 2 * AT_ONCE for before, now in zip([0, *lost], lost, strict=False))
        assert sum(times - 1 for times in server.paid.values()) <= lost[-1]
        assert server.paid.keys() == whole[1].paid.keys()
    assert rows_of(folder) == rows_of(whole[0])


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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopping_keeps_every_answer(whole, mistral_folder, tmp_path, how):
    with FaultServer(latency=0.1) as server:
        process = command(tmp_path, mistral_folder, server.base_url)
        wait_for_calls(server, process, 20)
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "waiting for the answers under way" in out
        assert err == "stopped; run the same command again to resume\n"
        assert durable(tmp_path / "in2") == server.paid.total()
        build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url), Quiet())
        assert set(server.paid.values()) == {1}
    assert rows_of(tmp_path / "in2") == rows_of(whole[0])


def test_stopping_an_estimate_keeps_every_answer(mistral_folder, tmp_path):
    with FaultServer(latency=0.3) as server:
        process = command(tmp_path, mistral_folder, server.base_url, "estimate", "build.yml", "--calls", "40")
        wait_for_calls(server, process, 5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (130, "stopped\n")
        assert durable(tmp_path / "in2") == server.paid.total() < 40


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


def test_no_room_for_the_log_is_one_sentence_and_nothing_is_lost(whole, mistral_folder, tmp_path):
    with FaultServer() as server:
        build_dataset(
            endpoint_config(tmp_path / "in2", mistral_folder, server.base_url, mixture={"fine_grained": 1}), Quiet()
        )
        before = durable(tmp_path / "in2")
        # below the reserve of 8 MiB
        process = command(tmp_path, mistral_folder, server.base_url, preexec_fn=limit_files(4 << 20))
        (tmp_path / "in2/build.json").unlink()
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert durable(tmp_path / "in2") >= before


def test_a_folder_that_cannot_be_written_is_one_sentence(mistral_folder):
    # /proc is read-only for everyone, root included
    with pytest.raises(In2Error, match=r"cannot be (made|written)"):
        build_dataset(endpoint_config(Path("/proc/in2"), mistral_folder, "http://127.0.0.1:9/v1"), Quiet())

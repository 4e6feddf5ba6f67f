import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from in2_plugin.errors import EndpointError, WorkLogError
from in2_plugin.llm.batch.job import KeyOnlyRequest
from in2_plugin.llm.request import Completion
from in2_plugin.llm.work_log import WorkLog
from tests.support import batch_runs
from tests.support.batch_runs import abandon, ask, endpoint, expected, request, statuses, texts
from tests.support.batch_server import BatchServer

MOMENTS = ["upload", "create", "retrieve", "download"]
"""Where a run can be interrupted: before the upload ends, created without a known id, open, ended but not collected."""


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "work.sqlite"


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_run_is_resumed_and_nothing_is_paid_for_twice(path, moment):
    with BatchServer() as server:
        abandon(server, path, range(20), moment)
        assert statuses(path) == ["beginning" if moment in {"upload", "create"} else "open"]
        assert texts(ask(server, path, range(30))) == expected(range(30))
        assert (len(server.paid), set(server.paid.values())) == (30, {1})
    assert statuses(path) == ["lost" if moment == "upload" else "completed", "completed"]


def test_a_run_that_is_interrupted_repeatedly_is_resumed(path):
    with BatchServer() as server:
        for i, moment in enumerate(("upload", "create", "create", "retrieve", "upload", "download", "retrieve")):
            abandon(server, path, range(10 * i + 10), moment)
        assert texts(ask(server, path, range(70))) == expected(range(70))
        assert (len(server.paid), set(server.paid.values())) == (70, {1})


def test_a_run_interrupted_before_the_batch_is_closed_collects_it_again(path):
    with BatchServer() as server:
        ask(server, path, range(5))
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE batches SET status = 'open'")
            connection.execute("DELETE FROM answers WHERE key = ?", (request(0).key,))
        connection.close()
        assert texts(ask(server, path, range(5))) == expected(range(5))
        assert set(server.paid.values()) == {1}
    assert statuses(path) == ["completed"]


def test_a_batch_whose_answers_could_not_be_stored_stays_open(path):
    WorkLog(path).close()
    with BatchServer() as server, sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON answers BEGIN SELECT RAISE(ABORT, 'full'); END")
        connection.commit()
        assert {type(e) for e in ask(server, path, range(5))} == {WorkLogError}
        assert statuses(path) == ["open"]
        connection.execute("DROP TRIGGER full")
        connection.commit()
        assert texts(ask(server, path, range(5))) == expected(range(5))
        assert set(server.paid.values()) == {1}
    connection.close()


def test_answers_of_an_earlier_run_are_stored_even_if_not_requested(path):
    with BatchServer() as server:
        abandon(server, path, range(20), "retrieve")
        ask(server, path, [0])
        log = WorkLog(path)
        assert [log.get(request(i).key).text for i in range(20)] == expected(range(20))
        totals = log.totals()
        log.close()
    # the purpose is known only for requests of this run
    assert (totals["x"].answers, totals["batch"].answers) == (1, 19)


def test_an_old_batch_with_the_same_requests_is_not_taken_for_a_new_one(path):
    """The first one ended without answers, the second was never created: its requests must be sent again."""
    with BatchServer(faults=lambda body: "expired", ends="expired") as server:
        ask(server, path, range(5))
        server.faults, server.ends = (lambda body: None), "completed"
        abandon(server, path, range(5), "upload")
        assert texts(ask(server, path, range(5))) == expected(range(5))
    assert statuses(path) == ["expired", "lost", "completed"]


def test_another_endpoint_with_the_same_log_leaves_a_batch_alone(path):
    with BatchServer() as writer, BatchServer() as judge:
        abandon(writer, path, range(5), "retrieve")
        assert texts(ask(judge, path, ["other"])) == expected(["other"])
        assert judge.calls["retrieve"] == 1
        assert statuses(path) == ["open", "completed"]
        assert texts(ask(writer, path, range(5))) == expected(range(5))
        assert set(writer.paid.values()) == {1}


def test_two_endpoints_of_one_run_do_not_collect_each_others_batches(path):
    """The judge may be the same model, and send its first request while a batch of the writer is being created."""

    async def check(server) -> None:
        log = WorkLog(path)
        writer, judge = endpoint(server.base_url, log), endpoint(server.base_url, log)
        server.held.add("create")
        asking = asyncio.create_task(batch_runs.ask_all(writer, log, range(3)))
        assert await asyncio.to_thread(server.reached["create"].wait, 60)
        judging = asyncio.create_task(batch_runs.ask_all(judge, log, ["verdict"]))
        await asyncio.sleep(0.1)
        server.release()
        assert texts(await asking) == expected(range(3))
        assert texts(await judging) == expected(["verdict"])
        await writer.close()
        await judge.close()
        log.close()

    with BatchServer() as server:
        asyncio.run(check(server))
        assert set(server.paid.values()) == {1}
        assert not server.calls["list"]
    assert statuses(path) == ["completed", "completed"]


def test_a_rejected_batch_ends_the_run(path):
    with BatchServer(invalid=[("invalid_json_line", "line 1\nis not valid JSON")]) as server:
        errors = ask(server, path, range(3))
        assert {type(e) for e in errors} == {EndpointError}
        assert "rejected batch batch-0 as a whole (line 1 is not valid JSON)" in str(errors[0])
        assert texts(ask(server, path, range(3))) == expected(range(3))
    assert statuses(path) == ["failed", "completed"]


def test_a_rejected_batch_of_an_earlier_run_is_submitted_again(path):
    with BatchServer(invalid=[("token_limit_exceeded", "full")]) as server:
        abandon(server, path, range(3), "retrieve")
        assert texts(ask(server, path, range(3))) == expected(range(3))
        assert set(server.paid.values()) == {1}
    assert statuses(path) == ["failed", "completed"]


def test_a_full_queue_delays_the_next_batch(path):
    """The account's limit on tokens in open batches appears as a failed batch."""
    with BatchServer(polls=3) as server:
        create, full = server.create, []

        def one_at_a_time(body: dict) -> dict:
            is_full = bool(server.open())
            server.invalid = [("token_limit_exceeded", "Enqueued token limit reached")] if is_full else []
            full.append(is_full)
            return create(body)

        server.create = one_at_a_time
        assert texts(ask(server, path, range(30), batch_requests=10)) == expected(range(30))
        assert any(full)
        assert set(server.paid.values()) == {1}


def test_a_queue_filled_by_others_ends_the_run(path):
    with BatchServer(invalid=[("token_limit_exceeded", "Enqueued token limit reached")]) as server:
        errors = ask(server, path, range(3))
    assert {type(e) for e in errors} == {EndpointError}
    assert "has no room for a batch of 3 requests (Enqueued token limit reached); lower `batch_requests`" in str(
        errors[0]
    )


def test_a_batch_that_the_server_does_not_have_is_not_paid_for_again(path):
    with BatchServer() as server:
        abandon(server, path, range(3), "retrieve")
        batches, server.batches = server.batches, {}
        errors = ask(server, path, range(3))
        assert "does not have batch batch-0, which an earlier run submitted" in str(errors[0])
        server.batches = batches
        assert texts(ask(server, path, range(3))) == expected(range(3))
        assert set(server.paid.values()) == {1}


def test_the_error_of_a_batch_is_raised_for_all_later_requests(path):
    async def check(server) -> None:
        log = WorkLog(path)
        batch = endpoint(server.base_url, log)
        for prompt in range(3):
            (error,) = await batch_runs.ask_all(batch, log, [prompt])
            assert isinstance(error, EndpointError)
        await batch.close()
        log.close()

    with BatchServer() as server:
        abandon(server, path, range(3), "retrieve")
        server.faults_by_call["retrieve"] = ["401"]
        asyncio.run(check(server))
        assert server.calls["upload"] == 1
        assert texts(ask(server, path, range(3))) == expected(range(3))
        assert set(server.paid.values()) == {1}


def test_key_only_request_has_its_key():
    assert KeyOnlyRequest("", "m", {}, "batch", known=b"k" * 32).key == b"k" * 32


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment", ["create", *(pytest.param(m, marks=pytest.mark.e2e_full) for m in MOMENTS if m != "create")]
)
def test_a_killed_process_is_resumed(path, moment):
    program = [sys.executable, batch_runs.__file__]
    with BatchServer() as server:
        server.held.add(moment)
        arguments = [server.base_url, str(path), "20"]
        process = subprocess.Popen([*program, *arguments], stdout=subprocess.PIPE, cwd=Path.cwd())
        assert server.reached[moment].wait(60)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        server.release()
        done = subprocess.run([*program, *arguments], stdout=subprocess.PIPE, text=True, check=True, timeout=120)
        assert done.stdout == "done\n"
        assert (len(server.paid), set(server.paid.values())) == (20, {1})
    log = WorkLog(path)
    assert [log.get(request(i).key) for i in range(20)] == [
        Completion(f"answer to {i}", "stop", 100, 20) for i in range(20)
    ]
    log.close()

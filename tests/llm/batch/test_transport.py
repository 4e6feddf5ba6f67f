import asyncio
import json
from pathlib import Path

import pytest

from in2_plugin.errors import EndpointError
from in2_plugin.llm.request import Completion, RequestFailed, RunStopped
from in2_plugin.llm.work_log import WorkLog
from tests.support.batch_runs import ask, ask_all, endpoint, expected, request, statuses, texts
from tests.support.batch_server import BatchServer


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "work.sqlite"


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_batch_is_uploaded_polled_and_collected(path):
    with BatchServer(polls=3) as server:
        answers = ask(server, path, range(20))
        assert answers[7] == Completion("answer to 7", "stop", 100, 20)
        assert texts(answers) == expected(range(20))
        assert set(server.paid.values()) == {1}
        assert server.calls == {"upload": 1, "create": 1, "retrieve": 3, "download": 1}
        assert server.batches["batch-0"]["endpoint"] == "/v1/chat/completions"
        assert server.batches["batch-0"]["completion_window"] == "24h"
        lines = [json.loads(line) for line in server.files["file-0"].splitlines()]
    assert [line["custom_id"] for line in lines] == [request(i).key.hex() for i in range(20)]
    assert statuses(path) == ["completed"]


def test_order_and_duplicates_do_not_matter(path):
    with BatchServer(shuffle=True, duplicate=True) as server:
        assert texts(ask(server, path, range(50))) == expected(range(50))


def test_full_batches_are_submitted_and_at_most_eight_are_open(path):
    async def check(server) -> None:
        log = WorkLog(path)
        batch = endpoint(server.base_url, log, batch_requests=10)
        asking = asyncio.create_task(ask_all(batch, log, range(100)))
        await until(lambda: len(server.open()) == 8)
        await asyncio.sleep(0.1)
        assert server.most_open == 8
        server.polls = 0
        assert texts(await asking) == expected(range(100))
        await batch.close()
        log.close()

    with BatchServer(polls=10**9) as server:
        asyncio.run(check(server))
        sizes = [b["request_counts"]["total"] for b in server.batches.values()]
    assert sizes == [10] * 10


def test_a_group_too_long_for_one_file_becomes_several_batches(path):
    with BatchServer() as server:
        assert texts(ask(server, path, range(20), max_bytes=1_000)) == expected(range(20))
        assert len(server.batches) > 1
        assert all(len(server.files[b["input_file_id"]]) <= 1_000 for b in server.batches.values())
        assert set(server.paid.values()) == {1}


def test_failed_requests_fail_alone(path):
    faults = {"3": "error", "4": "no choices", "5": "refusal", "6": "missing"}
    with BatchServer(faults=lambda body: faults.get(body["messages"][0]["content"])) as server:
        answers = ask(server, path, range(20))
    assert [str(answers[i]) for i in (3, 4, 6)] == [
        "400 cannot do 3",
        "the response contains no choice",
        "the batch ended without an answer (completed)",
    ]
    assert all(isinstance(answers[i], RequestFailed) for i in (3, 4, 6))
    assert answers[5] == Completion("I would rather not.", "refusal", 100, 20)
    assert sum(isinstance(a, Completion) for a in answers) == 17


def every_second_expires(body: dict) -> str | None:
    return "expired" if int(body["messages"][0]["content"]) % 2 else None


def test_expired_requests_are_sent_again_by_the_next_run(path):
    with BatchServer(faults=every_second_expires, ends="expired") as server:
        first = ask(server, path, range(40))
        assert texts(first[::2]) == expected(range(0, 40, 2))
        assert {str(failure) for failure in first[1::2]} == {"the batch ended without an answer (expired)"}
        server.faults = lambda body: None
        assert texts(ask(server, path, range(40))) == expected(range(40))
        assert set(server.paid.values()) == {1}
    assert statuses(path) == ["expired", "expired"]


def test_a_high_error_rate_ends_the_run_and_keeps_the_answers(path):
    def faults(body):
        return "error" if int(body["messages"][0]["content"]) % 2 else None

    with BatchServer(faults=faults) as server:
        outcomes = ask(server, path, range(40))
        assert {type(o) for o in outcomes} == {EndpointError}
        assert "20 of the 40 requests of a batch failed, most often: 400 cannot do" in str(outcomes[0])
        log = WorkLog(path)
        assert all(log.get(request(i).key) for i in range(0, 40, 2))
        log.close()
    assert statuses(path) == ["completed"]


def test_progress_comes_from_the_server(path):
    async def check(server) -> None:
        log = WorkLog(path)
        batch = endpoint(server.base_url, log, batch_requests=10)
        assert batch.traffic() == ""
        asking = asyncio.create_task(ask_all(batch, log, range(20)))
        await until(lambda: batch.progress.done == 20)
        assert (batch.progress.batches, batch.progress.requests) == (2, 20)
        assert batch.traffic() == "open batches: 2, with 20 of 20 requests done, 1 retried"
        server.polls = 0
        assert texts(await asking) == expected(range(20))
        assert batch.progress.batches == 0
        await batch.close()
        log.close()

    with BatchServer(polls=10**9) as server:
        server.faults_by_call["upload"] = ["503"]
        asyncio.run(check(server))


def test_stop_ends_the_wait_and_the_batch_stays_open(path):
    async def stopped(server) -> list:
        log = WorkLog(path)
        batch = endpoint(server.base_url, log)
        asking = asyncio.create_task(ask_all(batch, log, range(5)))
        await until(lambda: batch.progress.batches)
        batch.stop()
        outcomes = await asking
        with pytest.raises(RunStopped):
            await batch.answer(request("later"))
        await batch.close()
        log.close()
        return outcomes

    with BatchServer(polls=10**9) as server:
        outcomes = asyncio.run(stopped(server))
        assert {type(o) for o in outcomes} == {RunStopped}
        assert "5 requests stay in open batches; run again to collect their answers" in str(outcomes[0])
        assert statuses(path) == ["open"]
        server.polls = 0
        assert texts(ask(server, path, range(5))) == expected(range(5))
        assert set(server.paid.values()) == {1}
    assert statuses(path) == ["completed"]


def test_requests_after_a_stop_wait_for_the_same_batch(path):
    async def check(server) -> None:
        log = WorkLog(path)
        batch = endpoint(server.base_url, log)
        asking = asyncio.create_task(ask_all(batch, log, range(5)))
        await until(lambda: batch.progress.batches)
        batch.stop()
        await asking
        batch.resume()
        again = asyncio.create_task(ask_all(batch, log, range(7)))
        await until(lambda: len(server.batches) == 2)
        server.polls = 0
        assert texts(await again) == expected(range(7))
        assert set(server.paid.values()) == {1}
        await batch.close()
        log.close()

    with BatchServer(polls=10**9) as server:
        asyncio.run(check(server))


def test_an_answer_that_arrived_in_the_meantime_is_not_requested(path):
    async def check(server) -> None:
        log = WorkLog(path)
        batch = endpoint(server.base_url, log)
        await log.put(request("p"), Completion("there", "stop", 1, 1))
        assert (await batch.answer(request("p"))).text == "there"
        await batch.close()
        log.close()
        assert not server.calls

    with BatchServer() as server:
        asyncio.run(check(server))

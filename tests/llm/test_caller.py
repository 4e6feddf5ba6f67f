import asyncio

import pytest

from in2_plugin.llm.caller import Caller
from in2_plugin.llm.request import Completion, Request, RequestFailed, Usage
from in2_plugin.llm.work_log import WorkLog
from tests.support.transports import Counting


def request(prompt: str) -> Request:
    return Request(prompt, "m", {}, "x")


@pytest.fixture
def log(tmp_path):
    log = WorkLog(tmp_path / "work.sqlite")
    yield log
    log.close()


def test_answers_in_the_log_are_not_requested(log):
    transport = Counting()

    async def twice() -> list[Completion]:
        caller = Caller(log, transport)
        return [await caller.ask(request("p")), await caller.ask(request("p"))]

    first, second = asyncio.run(twice())
    assert first == second == Completion("P", "stop", 1, 1)
    assert transport.sent == ["p"]
    again = Caller(log, transport)
    assert asyncio.run(again.ask(request("p"))) == first
    assert transport.sent == ["p"]
    assert (again.used["x"].answers, again.paid["x"].answers) == (1, 0)


def test_concurrent_identical_requests_are_sent_once(log):
    transport = Counting()

    async def together() -> list[Completion]:
        caller = Caller(log, transport)
        return await asyncio.gather(*(caller.ask(request("p")) for _ in range(5)))

    assert len(asyncio.run(together())) == 5
    assert transport.sent == ["p"]


def test_an_answer_is_durable_before_it_is_used(log):
    async def check() -> None:
        sent_request = request("p")
        caller = Caller(log, Counting())
        task = asyncio.create_task(caller.ask(sent_request))
        while not task.done():
            await asyncio.sleep(0)
        assert WorkLog(log.path, read_only=True).get(sent_request.key) == task.result()

    asyncio.run(check())


def test_a_failure_is_recorded_and_retried_later(log):
    transport = Counting()
    transport.failing = True

    async def fail() -> None:
        with pytest.raises(RequestFailed):
            await Caller(log, transport).ask(request("p"))
        await log.flush()

    asyncio.run(fail())
    assert log.failures() == {"server error": 1}
    transport.failing = False
    assert asyncio.run(Caller(log, transport).ask(request("p"))).text == "P"


def test_cancelling_one_caller_leaves_the_answer_to_the_others(log):
    async def check() -> Completion:
        caller = Caller(log, Counting())
        kept = asyncio.create_task(caller.ask(request("p")))
        cancelled = asyncio.create_task(caller.ask(request("p")))
        await asyncio.sleep(0)
        cancelled.cancel()
        return await kept

    assert asyncio.run(check()).text == "P"


def test_tokens_that_the_server_does_not_report_are_estimated(log):
    class Silent(Counting):
        async def answer(self, request: Request) -> Completion:
            return Completion("eight by", "stop", 0, 0)

    caller = Caller(log, Silent())
    answer = asyncio.run(caller.ask(request("four")))
    assert answer == Completion("eight by", "stop", 1, 2, is_estimated=True)
    assert log.get(request("four").key) == answer
    assert caller.paid["x"] == Usage(1, 1, 2, 1)

import asyncio

import pytest

from in2_plugin.llm.caller import Caller
from in2_plugin.llm.request import Answer, CallFailed, Request
from in2_plugin.llm.work_log import WorkLog
from tests.support.transports import Counting


def request(prompt: str) -> Request:
    return Request(prompt, "m", {}, "x")


@pytest.fixture
def log(tmp_path):
    log = WorkLog(tmp_path / "work.sqlite")
    yield log
    log.close()


def test_what_is_in_the_log_is_not_asked(log):
    transport = Counting()

    async def twice() -> list[Answer]:
        caller = Caller(log, transport)
        return [await caller.ask(request("p")), await caller.ask(request("p"))]

    first, second = asyncio.run(twice())
    assert first == second == Answer("P", "stop", 1, 1)
    assert transport.sent == ["p"]
    again = Caller(log, transport)
    assert asyncio.run(again.ask(request("p"))) == first
    assert transport.sent == ["p"]
    assert (again.used["x"].answers, again.paid["x"].answers) == (1, 0)


def test_the_same_request_at_the_same_time_is_sent_once(log):
    transport = Counting()

    async def together() -> list[Answer]:
        caller = Caller(log, transport)
        return await asyncio.gather(*(caller.ask(request("p")) for _ in range(5)))

    assert len(asyncio.run(together())) == 5
    assert transport.sent == ["p"]


def test_an_answer_is_durable_before_it_is_used(log):
    async def check() -> None:
        asked = request("p")
        caller = Caller(log, Counting())
        task = asyncio.create_task(caller.ask(asked))
        while not task.done():
            await asyncio.sleep(0)
        assert WorkLog(log.path, read_only=True).get(asked.key) == task.result()

    asyncio.run(check())


def test_a_failure_is_noted_and_asked_again_later(log):
    transport = Counting()
    transport.failing = True

    async def fail() -> None:
        with pytest.raises(CallFailed):
            await Caller(log, transport).ask(request("p"))
        await log.settled()

    asyncio.run(fail())
    assert log.failures() == {"it is tired": 1}
    transport.failing = False
    assert asyncio.run(Caller(log, transport).ask(request("p"))).text == "P"


def test_one_who_gives_up_does_not_take_the_answer_from_the_others(log):
    async def check() -> Answer:
        caller = Caller(log, Counting())
        patient = asyncio.create_task(caller.ask(request("p")))
        hasty = asyncio.create_task(caller.ask(request("p")))
        await asyncio.sleep(0)
        hasty.cancel()
        return await patient

    assert asyncio.run(check()).text == "P"

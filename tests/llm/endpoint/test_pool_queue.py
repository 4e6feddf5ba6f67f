import asyncio
import time
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise

import pytest

from in2_plugin.errors import EndpointError
from in2_plugin.llm.endpoint.concurrency import RetryPolicy
from in2_plugin.llm.request import Completion, RunStopped
from tests.support.fault_server import FaultServer
from tests.support.pools import PROMPTS, always, are_answers, ask, echo, gathered, pool, request


def test_a_slow_server_gets_fewer_requests():
    with FaultServer(echo, latency=0.01) as fast, FaultServer(echo, latency=0.1) as slow:
        outcomes, traffic = ask([slow, fast], timeout=60)
        assert are_answers(outcomes)
        assert (fast.most_at_once, slow.most_at_once) == (4, 4)
        assert len(fast.bodies) + len(slow.bodies) == 200
        # about nine of ten on an idle machine
        assert len(fast.bodies) > len(slow.bodies)
    assert traffic == "0 of 8 at once, 2 addresses"


def test_no_request_waits_behind_a_slow_server():
    def after_all_others(body: dict) -> str:
        while fast.paid.total() < 196:
            time.sleep(0.01)
        return echo(body)

    with FaultServer(echo) as fast, FaultServer(after_all_others) as slow:
        outcomes, _ = ask([slow, fast], timeout=60)
        assert are_answers(outcomes)
        assert len(slow.bodies) == 4


def test_requests_go_to_the_server_with_most_capacity():
    with FaultServer(echo, latency=0.3) as one, FaultServer(echo, latency=0.3) as two:
        ask([one, two], ["a", "b", "c"])
        assert (len(one.bodies), len(two.bodies)) == (2, 1)


def test_the_queue_waits_while_all_servers_restart():
    """They have answered before, so no request fails, not even with a single attempt."""

    async def run(killed: list[FaultServer]) -> list:
        asked = pool(killed, attempts=1, retry_policy=RetryPolicy(cooldown=0.2, max_cooldowns=100))
        assert are_answers(await gathered(asked, PROMPTS[:20]), PROMPTS[:20])
        for server in killed:
            await asyncio.to_thread(server.__exit__)
        answers = asyncio.create_task(gathered(asked, PROMPTS))
        while asked.traffic().count("cannot be reached") < 2:
            await asyncio.sleep(0.01)
        with ExitStack() as stack:
            for server in killed:
                stack.enter_context(FaultServer(echo, port=server.port))
            outcomes = await answers
            await asked.close()
        return outcomes

    assert are_answers(asyncio.run(run([FaultServer(echo).__enter__(), FaultServer(echo).__enter__()])))


def test_the_queue_does_not_wait_forever_for_dead_servers():
    async def run(killed: list[FaultServer]) -> list:
        asked = pool(killed, retry_policy=RetryPolicy(cooldown=0.01, max_cooldowns=3))
        assert are_answers(await gathered(asked, PROMPTS[:20]), PROMPTS[:20])
        for server in killed:
            await asyncio.to_thread(server.__exit__)
        outcomes = await gathered(asked, PROMPTS)
        await asked.close()
        return outcomes

    killed = [FaultServer(echo).__enter__(), FaultServer(echo).__enter__()]
    outcomes = asyncio.run(run(killed))
    assert all(isinstance(outcome, EndpointError) for outcome in outcomes)
    assert all(f"{server.base_url} cannot be reached" in str(outcomes[0]) for server in killed)


def test_stop_sends_no_more_and_waits_for_requests_in_flight():
    async def run(servers) -> list:
        asked = pool(servers, concurrency="2")
        answers = asyncio.create_task(gathered(asked, PROMPTS[:12]))
        while sum(server.in_flight for server in servers) < 4:
            await asyncio.sleep(0.001)
        asked.stop()
        outcomes = await answers
        with pytest.raises(RunStopped):
            await asked.answer(request("too late"))
        asked.resume()
        outcomes.append(await asked.answer(request("later")))
        await asked.close()
        return outcomes

    with FaultServer(echo, latency=0.1) as one, FaultServer(echo, latency=0.1) as two:
        outcomes = asyncio.run(run([one, two]))
        assert len(one.bodies) + len(two.bodies) == 5
    assert Counter(type(outcome) for outcome in outcomes) == {Completion: 5, RunStopped: 8}


def test_stop_ends_the_wait_for_a_cooldown():
    async def run(killed: list[FaultServer]) -> list:
        asked = pool(killed, retry_policy=RetryPolicy(initial_backoff=3_600, max_backoff=3_600, cooldown=3_600))
        assert are_answers(await gathered(asked, PROMPTS[:20]), PROMPTS[:20])
        for server in killed:
            await asyncio.to_thread(server.__exit__)
        answers = asyncio.create_task(gathered(asked, PROMPTS))
        while asked.traffic().count("cannot be reached") < 2:
            await asyncio.sleep(0.01)
        asked.stop()
        outcomes = await asyncio.wait_for(answers, 60)
        await asked.close()
        return outcomes

    outcomes = asyncio.run(run([FaultServer(echo).__enter__(), FaultServer(echo).__enter__()]))
    assert {type(outcome) for outcome in outcomes} == {RunStopped}


def test_a_cancelled_request_frees_its_capacity():
    async def run(servers) -> list:
        asked = pool(servers, concurrency="1")
        tasks = [asyncio.create_task(asked.answer(request(prompt))) for prompt in PROMPTS[:6]]
        while sum(server.in_flight for server in servers) < 2:
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        outcomes = await gathered(asked, PROMPTS[:4])
        await asked.close()
        return outcomes

    with FaultServer(echo, latency=0.05) as one, FaultServer(echo, latency=0.05) as two:
        assert are_answers(asyncio.run(run([one, two])), PROMPTS[:4])


def test_probes_come_after_growing_cooldowns():
    started = time.monotonic()
    with FaultServer(echo, plan=always("404")) as wrong, FaultServer(echo, latency=0.01) as right:
        outcomes, _ = ask([wrong, right], concurrency="1", retry_policy=RetryPolicy(cooldown=0.2, max_cooldown=0.8))
        assert are_answers(outcomes)
        times = [at - started for at in wrong.times]
        pauses = [after - before for before, after in pairwise(times)]
    assert len(pauses) >= 2
    assert all(pause >= least for pause, least in zip(pauses, [0.2, 0.4, 0.8, 0.8, 0.8], strict=False))

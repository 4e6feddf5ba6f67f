"""How a pool is refused, stopped and left waiting."""

import asyncio
import resource
import time
from collections import Counter
from itertools import pairwise

import pytest

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError
from in2_plugin.llm.endpoint.concurrency import Patience
from in2_plugin.llm.endpoint.pool import OTHER_FILES, allow_connections
from in2_plugin.llm.request import Answer, Stopping
from tests.support.fault_server import FaultServer
from tests.support.pools import DEAD, OTHER_DEAD, PROMPTS, always, are_answers, ask, echo, gathered, pool, request


def test_stopping_sends_nothing_more_and_waits_for_what_was_sent():
    async def run(servers) -> list:
        asked = pool(servers, concurrency="2")
        answers = asyncio.create_task(gathered(asked, PROMPTS[:12]))
        while sum(server.under_way for server in servers) < 4:
            await asyncio.sleep(0.001)
        asked.stop()
        outcomes = await answers
        with pytest.raises(Stopping):
            await asked.answer(request("too late"))
        asked.resume()
        outcomes.append(await asked.answer(request("later")))
        await asked.close()
        return outcomes

    with FaultServer(echo, latency=0.1) as one, FaultServer(echo, latency=0.1) as two:
        outcomes = asyncio.run(run([one, two]))
        assert len(one.bodies) + len(two.bodies) == 5
    assert Counter(type(outcome) for outcome in outcomes) == {Answer: 5, Stopping: 8}


def test_stopping_ends_the_wait_for_servers_that_rest():
    async def run(killed: list[FaultServer]) -> list:
        asked = pool(killed, patience=Patience(retry=3_600, retry_most=3_600, rest=3_600))
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
    assert {type(outcome) for outcome in outcomes} == {Stopping}


def test_a_cancelled_request_gives_back_its_place():
    async def run(servers) -> list:
        asked = pool(servers, concurrency="1")
        tasks = [asyncio.create_task(asked.answer(request(prompt))) for prompt in PROMPTS[:6]]
        while sum(server.under_way for server in servers) < 2:
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        outcomes = await gathered(asked, PROMPTS[:4])
        await asked.close()
        return outcomes

    with FaultServer(echo, latency=0.05) as one, FaultServer(echo, latency=0.05) as two:
        assert are_answers(asyncio.run(run([one, two])), PROMPTS[:4])


def test_an_address_rests_before_it_is_tried_again_and_longer_each_time():
    started = time.monotonic()
    with FaultServer(echo, plan=always("404")) as wrong, FaultServer(echo, latency=0.01) as right:
        outcomes, _ = ask([wrong, right], concurrency="1", patience=Patience(rest=0.2, rest_most=0.8))
        assert are_answers(outcomes)
        times = [at - started for at in wrong.times]
        pauses = [after - before for before, after in pairwise(times)]
    assert len(pauses) >= 2
    assert all(pause >= least for pause, least in zip(pauses, [0.2, 0.4, 0.8, 0.8, 0.8], strict=False))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_url": []}, "`base_url`: the list is empty; give one address or several"),
        ({"base_url": [DEAD, f"{DEAD}/"]}, f"`base_url`: the list holds {DEAD}/ twice; give each server once"),
        ({"base_url": [DEAD, 8000]}, "`base_url`: 8000 in the list is no address; give each as text"),
        ({"base_url": [DEAD, OTHER_DEAD], "mode": "batch"}, "`mode: batch` takes one address, and `base_url` lists 2"),
    ],
)
def test_a_list_that_is_no_pool_is_refused(changes, said):
    with pytest.raises(ConfigError) as caught:
        EndpointConfig.parse({"model": "m", **changes}, "test")
    assert said in str(caught.value)


def test_a_list_of_one_is_that_one():
    config = EndpointConfig.parse({"model": "m", "base_url": [DEAD], "mode": "batch"}, "test")
    assert (config.base_url, config.address, config.addresses) == (DEAD, DEAD, (DEAD,))


def test_what_is_no_address_is_refused_by_name():
    with pytest.raises(ConfigError, match="`base_url: node2:8000` is no address"):
        pool([DEAD, "node2:8000"])


def test_the_key_is_asked_for_where_a_server_is_not_local(monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"SECRET_KEY is not set; set it to the key of https://api\.example\.com"):
        pool([DEAD, "https://api.example.com/v1"], api_key_env="SECRET_KEY")


def test_the_limit_of_open_files_is_raised_for_the_connections():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, before[1]))
        allow_connections(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 600
        allow_connections(500)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (500 + OTHER_FILES, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_more_connections_than_the_system_allows_are_refused_before_anything_is_sent():
    with pytest.raises(ConfigError, match=r"4,000,000,000 connections at once .* raise `ulimit -Hn`"):
        allow_connections(4_000_000_000)

import asyncio
from collections import Counter

import pytest

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError, EndpointError
from in2_plugin.llm.endpoint.concurrency import RetryPolicy
from in2_plugin.llm.request import RequestFailed
from tests.support.fault_server import FaultServer
from tests.support.pools import DEAD, KEY, OTHER_DEAD, PROMPTS, always, are_answers, ask, echo, gathered, pool


def test_concurrency_applies_to_each_server():
    with FaultServer(echo, latency=0.02) as one, FaultServer(echo, latency=0.02) as two:
        ask([one, two], concurrency="2-6")
        assert (one.most_at_once, two.most_at_once) == (6, 6)


def test_a_dead_server_fails_no_request():
    lines: list[str] = []
    retry_policy = RetryPolicy(cooldown=3_600, max_cooldown=3_600)
    with FaultServer(echo) as alive:
        outcomes, traffic = ask([DEAD, alive], attempts=1, retry_policy=retry_policy, lines=lines)
        assert are_answers(outcomes)
        assert set(alive.paid.values()) == {1}
    assert traffic.endswith(f"2 addresses, 1 down ({DEAD}: cannot be reached)")
    (line,) = lines
    assert line.startswith(f"{DEAD} cannot be reached (connection failed: ")
    assert line.endswith("): left out of the pool, and probed from time to time")


def test_the_error_names_every_dead_server():
    outcomes, _ = ask([DEAD, OTHER_DEAD], PROMPTS[:20])
    assert all(isinstance(outcome, EndpointError) for outcome in outcomes)
    lines = str(outcomes[0])
    assert lines.startswith("no address of `questions.endpoint.base_url` is left: ")
    for url in (DEAD, OTHER_DEAD):
        assert f"{url} cannot be reached (connection failed" in lines
    assert lines.endswith("check the servers, or correct the list, then run again")


@pytest.mark.parametrize("attempts", [1, 2, 8])
def test_one_request_is_enough_to_find_all_servers_dead(attempts):
    ((outcome,), _) = ask([DEAD, OTHER_DEAD], ["p"], attempts=attempts)
    assert isinstance(outcome, EndpointError)
    assert str(outcome).count("cannot be reached") == 2


def test_requests_of_a_killed_server_are_answered_by_another():
    async def run(killed: FaultServer, other: FaultServer) -> tuple[list, int]:
        asked = pool([killed, other], attempts=1)
        answers = asyncio.create_task(gathered(asked, PROMPTS))
        while len(killed.bodies) < 30:
            await asyncio.sleep(0.001)
        lost = killed.in_flight
        # in a thread: this loop must go on reading the connections while the server dies
        await asyncio.to_thread(killed.__exit__)
        outcomes = await answers
        await asked.close()
        return outcomes, lost

    killed = FaultServer(echo, latency=0.02).__enter__()
    with FaultServer(echo, latency=0.02) as other:
        outcomes, lost = asyncio.run(run(killed, other))
        assert are_answers(outcomes)
        asked = Counter(body["messages"][0]["content"] for body in [*killed.bodies, *other.bodies])
        assert lost > 0
        assert set(asked) == set(PROMPTS)
        # four were in flight when it died, and probes reach nobody
        assert sum(times - 1 for times in asked.values()) <= 4
        assert set(other.paid.values()) == {1}


def test_a_restarted_server_is_used_again():
    lines: list[str] = []

    async def run(killed: FaultServer, other: FaultServer) -> int:
        asked = pool([killed, other], lines=lines)
        assert are_answers(await gathered(asked, PROMPTS))
        await asyncio.to_thread(killed.__exit__)
        assert are_answers(await gathered(asked, PROMPTS))
        assert " 1 down " in asked.traffic()
        with FaultServer(echo, latency=0.002, port=killed.port) as again:
            while not again.paid:
                await asyncio.sleep(0.01)
                assert are_answers(await gathered(asked, PROMPTS[:5]), PROMPTS[:5])
            assert are_answers(await gathered(asked, PROMPTS))
            used = again.paid.total()
            assert asked.traffic().endswith(", 2 addresses")
        await asked.close()
        return used

    killed = FaultServer(echo, latency=0.002).__enter__()
    with FaultServer(echo, latency=0.002) as other:
        assert asyncio.run(run(killed, other)) > 50
    assert [line.split(" (")[0] for line in lines] == [
        f"{killed.base_url} cannot be reached",
        f"{killed.base_url} answers again",
    ]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("401", "does not accept the key"),
        ("404", "has no model m, or is not the base URL of the API"),
        ("no money", "the account has no credit left"),
        ("429 far", "asks to come back in 2.0 hours"),
    ],
)
def test_a_fatal_error_takes_down_that_server_only(fault, why):
    lines: list[str] = []
    retry_policy = RetryPolicy(cooldown=3_600, max_cooldown=3_600)
    with FaultServer(echo, plan=always(fault)) as wrong, FaultServer(echo) as right:
        outcomes, traffic = ask([wrong, right], retry_policy=retry_policy, lines=lines)
        assert are_answers(outcomes)
        assert len(wrong.bodies) <= 4
        assert traffic.endswith(f"1 down ({wrong.base_url}: {why})")
        assert [line.startswith(f"{wrong.base_url} {why}") for line in lines] == [True]


def test_fatal_errors_at_all_servers_end_the_run_with_each_reason(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", KEY)
    with FaultServer(echo, plan=always("404")) as one, FaultServer(echo, plan=always("401")) as two:
        outcomes, traffic = ask([one, two], PROMPTS[:10], api_key_env="SECRET_KEY")
        lines = str(outcomes[0])
        assert all(isinstance(outcome, EndpointError) for outcome in outcomes)
        assert f"{one.base_url} has no model m" in lines
        assert f"{two.base_url} does not accept the key (401 wrong key: ***)" in lines
        assert two.keys == {KEY}
    for outcome in outcomes:
        assert KEY not in f"{traffic} {outcome!s} {outcome!r} {outcome.__cause__!r} {outcome.__context__!r}"


def test_a_429_slows_down_that_server_only():
    with FaultServer(echo, plan=always("429 bare")) as busy, FaultServer(echo, latency=0.005) as idle:
        outcomes, traffic = ask(
            [busy, idle], attempts=1, retry_policy=RetryPolicy(throttle_wait=3_600, max_throttle_wait=3_600)
        )
        assert are_answers(outcomes)
        assert len(busy.bodies) <= 4
        assert idle.most_at_once == 4
    assert "rate-limited (429), 2 addresses" in traffic
    assert "down (http" not in traffic


def test_nothing_but_429_takes_a_server_down():
    retry_policy = RetryPolicy(
        throttle_wait=0.001, max_throttle_wait=0.001, max_bursts=3, cooldown=3_600, max_cooldown=3_600
    )
    with FaultServer(echo, plan=always("429 bare")) as busy, FaultServer(echo, latency=0.01) as idle:
        outcomes, traffic = ask([busy, idle], retry_policy=retry_policy)
        assert are_answers(outcomes)
        assert traffic.endswith(f"1 down ({busy.base_url}: has answered nothing but 429)")


@pytest.mark.parametrize("fault", ["500", "502", "html", "empty choices"])
def test_a_server_that_keeps_failing_is_taken_down(fault):
    retry_policy = RetryPolicy(initial_backoff=0.005, max_backoff=0.01, cooldown=3_600, max_cooldown=3_600)
    with FaultServer(echo, plan=always(fault)) as broken, FaultServer(echo, latency=0.005) as whole:
        outcomes, traffic = ask([broken, whole], attempts=2, retry_policy=retry_policy)
        assert are_answers(outcomes)
        # 20 outcomes are judged, with 3 more in flight
        assert len(broken.bodies) <= 23
        assert traffic.endswith(f"1 down ({broken.base_url}: fails too often)")


def test_a_request_that_stalls_is_answered_by_another_server():
    with FaultServer(echo, plan=always("stall")) as stuck, FaultServer(echo) as other:
        outcomes, _ = ask([stuck, other], PROMPTS[:8], timeout=0.3, attempts=1)
        assert are_answers(outcomes, PROMPTS[:8])
        assert stuck.faults["stall"] > 0


def test_an_invalid_request_is_not_sent_to_another_server():
    with FaultServer(echo, plan=always("400")) as one, FaultServer(echo, plan=always("400")) as two:
        ((refused,), traffic) = ask([one, two], ["p"])
        assert isinstance(refused, RequestFailed)
        assert refused.status == 400
        assert len(one.bodies) + len(two.bodies) == 1
    assert traffic.endswith("1 failed, 2 addresses")


def test_a_request_that_fails_everywhere_is_given_up_alone():
    def plan(number, body):
        return "500" if "bad" in str(body) else None

    with FaultServer(echo, plan=plan) as one, FaultServer(echo, plan=plan) as two:
        outcomes, traffic = ask([one, two], [*PROMPTS, "bad"], attempts=3)
        assert are_answers(outcomes[:-1])
        assert str(outcomes[-1]) == "status 500, 3 times"
        assert one.faults.total() + two.faults.total() == 3
        assert one.faults["500"] and two.faults["500"]
    assert traffic.endswith("1 failed, 2 addresses")


def test_too_many_failed_requests_end_the_run():
    with FaultServer(echo, plan=always("422")) as one, FaultServer(echo, plan=always("422")) as two:
        outcomes, _ = ask([one, two], PROMPTS[:60])
        lines = [str(outcome) for outcome in outcomes if isinstance(outcome, EndpointError)]
        # responses arrive in any order, so any of these requests may be the one that ends the run
        first = f"{one.base_url}, {two.base_url}: 20 of the last 20 requests failed, most often: 422 "
        assert sum(line.startswith(first) for line in lines) == 1


def test_occasional_errors_at_all_servers_lose_no_request():
    def plan(number, body):
        return "500" if number % 3 == 0 else None

    with FaultServer(echo, plan=plan) as one, FaultServer(echo, plan=plan) as two:
        outcomes, _ = ask([one, two], attempts=20)
        assert are_answers(outcomes)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"base_url": []}, "the list is empty; give at least one URL"),
        ({"base_url": [DEAD, f"{DEAD}/"]}, f"the list contains {DEAD}/ twice; give each server once"),
        ({"base_url": [DEAD, 8000]}, "8000 in the list is not a URL; give each as text"),
        ({"base_url": [DEAD, OTHER_DEAD], "mode": "batch"}, "`mode: batch` needs a single URL, but `base_url` lists 2"),
    ],
)
def test_invalid_address_lists_are_rejected(changes, lines):
    with pytest.raises(ConfigError) as caught:
        EndpointConfig.parse({"model": "m", **changes}, "test")
    assert lines in str(caught.value)


def test_a_list_of_one_address_is_that_address():
    config = EndpointConfig.parse({"model": "m", "base_url": [DEAD], "mode": "batch"}, "test")
    assert (config.base_url, config.address, config.addresses) == (DEAD, DEAD, (DEAD,))


def test_an_invalid_url_is_named():
    with pytest.raises(ConfigError, match="`base_url: node2:8000` is not a valid URL"):
        pool([DEAD, "node2:8000"])


def test_a_remote_server_needs_a_key(monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"SECRET_KEY is not set; set it to the key of https://api\.example\.com"):
        pool([DEAD, "https://api.example.com/v1"], api_key_env="SECRET_KEY")

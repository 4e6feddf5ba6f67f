import asyncio
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from in2_plugin.errors import EndpointError
from in2_plugin.llm.endpoint.concurrency import Patience
from in2_plugin.llm.request import CallFailed
from tests.support.fault_server import FaultServer
from tests.support.pools import DEAD, KEY, OTHER_DEAD, PROMPTS, always, are_answers, ask, echo, gathered, pool


def test_a_slow_server_gets_less():
    with FaultServer(echo, latency=0.01) as fast, FaultServer(echo, latency=0.1) as slow:
        outcomes, traffic = ask([slow, fast], timeout=60)
        assert are_answers(outcomes)
        assert (fast.most_at_once, slow.most_at_once) == (4, 4)
        assert len(fast.bodies) + len(slow.bodies) == 200
        # nine of ten, if the machine were never busy with something else
        assert len(fast.bodies) > len(slow.bodies)
    assert traffic == "0 of 8 at once, 2 addresses"


def test_nobody_waits_behind_a_slow_server():
    def when_all_else_is_answered(body: dict) -> str:
        while fast.paid.total() < 196:
            time.sleep(0.01)
        return echo(body)

    with FaultServer(echo) as fast, FaultServer(when_all_else_is_answered) as slow:
        outcomes, _ = ask([slow, fast], timeout=60)
        assert are_answers(outcomes)
        assert len(slow.bodies) == 4


def test_requests_go_to_the_address_with_most_room():
    with FaultServer(echo, latency=0.3) as one, FaultServer(echo, latency=0.3) as two:
        ask([one, two], ["a", "b", "c"])
        assert (len(one.bodies), len(two.bodies)) == (2, 1)


def test_the_range_of_concurrency_is_that_of_each_address():
    with FaultServer(echo, latency=0.02) as one, FaultServer(echo, latency=0.02) as two:
        ask([one, two], concurrency="2-6")
        assert (one.most_at_once, two.most_at_once) == (6, 6)


def test_an_address_that_is_dead_from_the_start_costs_no_request_its_life():
    said: list[str] = []
    patience = Patience(rest=3_600, rest_most=3_600)
    with FaultServer(echo) as alive:
        outcomes, traffic = ask([DEAD, alive], attempts=1, patience=patience, said=said)
        assert are_answers(outcomes)
        assert set(alive.paid.values()) == {1}
    assert traffic.endswith(f"2 addresses, 1 down ({DEAD}: cannot be reached)")
    (line,) = said
    assert line.startswith(f"{DEAD} cannot be reached (connection failed: ")
    assert line.endswith("): it is left out, and tried again from time to time")


def test_all_dead_ends_in_one_sentence_that_names_each():
    outcomes, _ = ask([DEAD, OTHER_DEAD], PROMPTS[:20])
    assert all(isinstance(outcome, EndpointError) for outcome in outcomes)
    said = str(outcomes[0])
    assert said.startswith("no address of `questions.endpoint.base_url` is left: ")
    for url in (DEAD, OTHER_DEAD):
        assert f"{url} cannot be reached (connection failed" in said
    assert said.endswith("see to the servers, or correct the list, then run again")


@pytest.mark.parametrize("attempts", [1, 2, 8])
def test_one_request_is_enough_to_see_that_all_are_dead(attempts):
    ((outcome,), _) = ask([DEAD, OTHER_DEAD], ["p"], attempts=attempts)
    assert isinstance(outcome, EndpointError)
    assert str(outcome).count("cannot be reached") == 2


def test_a_server_that_is_killed_has_its_requests_answered_elsewhere():
    async def run(killed: FaultServer, other: FaultServer) -> tuple[list, int]:
        asked = pool([killed, other], attempts=1)
        answers = asyncio.create_task(gathered(asked, PROMPTS))
        while len(killed.bodies) < 30:
            await asyncio.sleep(0.001)
        lost = killed.under_way
        # in a thread: the connections must go on to be read here while it dies
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
        # four were under way when it died, and the probes after it reach nobody
        assert sum(times - 1 for times in asked.values()) <= 4
        assert set(other.paid.values()) == {1}


def test_a_server_that_comes_back_is_used_again():
    said: list[str] = []

    async def run(killed: FaultServer, other: FaultServer) -> int:
        asked = pool([killed, other], said=said)
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
    assert [line.split(" (")[0] for line in said] == [
        f"{killed.base_url} cannot be reached",
        f"{killed.base_url} answers again",
    ]


def test_servers_that_are_all_restarted_are_waited_for():
    """Each answered before, so that it may come back: no request is given up, not even with one attempt."""

    async def run(killed: list[FaultServer]) -> list:
        asked = pool(killed, attempts=1, patience=Patience(rest=0.2, rests=100))
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


def test_servers_that_stay_away_are_not_waited_for_forever():
    async def run(killed: list[FaultServer]) -> list:
        asked = pool(killed, patience=Patience(rest=0.01, rests=3))
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


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("401", "does not accept the key"),
        ("404", "knows no model m, or is not the address of the interface"),
        ("no money", "says that the account has no money left"),
        ("429 far", "asks to come back in 2.0 hours"),
    ],
)
def test_what_is_wrong_with_one_address_takes_out_that_one(fault, why):
    said: list[str] = []
    patience = Patience(rest=3_600, rest_most=3_600)
    with FaultServer(echo, plan=always(fault)) as wrong, FaultServer(echo) as right:
        outcomes, traffic = ask([wrong, right], patience=patience, said=said)
        assert are_answers(outcomes)
        assert len(wrong.bodies) <= 4
        assert traffic.endswith(f"1 down ({wrong.base_url}: {why})")
        assert [line.startswith(f"{wrong.base_url} {why}") for line in said] == [True]


def test_wrong_everywhere_ends_the_run_with_each_reason(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", KEY)
    with FaultServer(echo, plan=always("404")) as one, FaultServer(echo, plan=always("401")) as two:
        outcomes, traffic = ask([one, two], PROMPTS[:10], api_key_env="SECRET_KEY")
        said = str(outcomes[0])
        assert all(isinstance(outcome, EndpointError) for outcome in outcomes)
        assert f"{one.base_url} knows no model m" in said
        assert f"{two.base_url} does not accept the key (401 wrong key: ***)" in said
        assert two.keys == {KEY}
    for outcome in outcomes:
        assert KEY not in f"{traffic} {outcome!s} {outcome!r} {outcome.__cause__!r} {outcome.__context__!r}"


def test_429_at_one_slows_that_one_only():
    with FaultServer(echo, plan=always("429 bare")) as busy, FaultServer(echo, latency=0.005) as idle:
        outcomes, traffic = ask([busy, idle], attempts=1, patience=Patience(closed=3_600, closed_most=3_600))
        assert are_answers(outcomes)
        assert len(busy.bodies) <= 4
        assert idle.most_at_once == 4
    assert "slowed down (429), 2 addresses" in traffic
    assert "down (http" not in traffic


def test_nothing_but_429_takes_an_address_out():
    patience = Patience(closed=0.001, closed_most=0.001, bursts=3, rest=3_600, rest_most=3_600)
    with FaultServer(echo, plan=always("429 bare")) as busy, FaultServer(echo, latency=0.01) as idle:
        outcomes, traffic = ask([busy, idle], patience=patience)
        assert are_answers(outcomes)
        assert traffic.endswith(f"1 down ({busy.base_url}: has answered nothing but 429)")


@pytest.mark.parametrize("fault", ["500", "502", "html", "empty choices"])
def test_an_address_that_keeps_failing_is_left_out(fault):
    patience = Patience(retry=0.005, retry_most=0.01, rest=3_600, rest_most=3_600)
    with FaultServer(echo, plan=always(fault)) as broken, FaultServer(echo, latency=0.005) as whole:
        outcomes, traffic = ask([broken, whole], attempts=2, patience=patience)
        assert are_answers(outcomes)
        # 20 prove it, with 3 more under way
        assert len(broken.bodies) <= 23
        assert traffic.endswith(f"1 down ({broken.base_url}: fails too often)")


def test_a_stall_at_one_is_answered_by_another():
    with FaultServer(echo, plan=always("stall")) as stuck, FaultServer(echo) as other:
        outcomes, _ = ask([stuck, other], PROMPTS[:8], timeout=0.3, attempts=1)
        assert are_answers(outcomes, PROMPTS[:8])
        assert stuck.faults["stall"] > 0


def test_what_is_wrong_with_the_request_is_not_asked_elsewhere():
    with FaultServer(echo, plan=always("400")) as one, FaultServer(echo, plan=always("400")) as two:
        ((refused,), traffic) = ask([one, two], ["p"])
        assert isinstance(refused, CallFailed)
        assert refused.status == 400
        assert len(one.bodies) + len(two.bodies) == 1
    assert traffic.endswith("1 failed, 2 addresses")


def test_a_request_that_fails_everywhere_is_given_up_and_takes_nobody_along():
    def plan(number, body):
        return "500" if "bad" in str(body) else None

    with FaultServer(echo, plan=plan) as one, FaultServer(echo, plan=plan) as two:
        outcomes, traffic = ask([one, two], [*PROMPTS, "bad"], attempts=3)
        assert are_answers(outcomes[:-1])
        assert str(outcomes[-1]) == "status 500, 3 times"
        assert one.faults.total() + two.faults.total() == 3
        assert one.faults["500"] and two.faults["500"]
    assert traffic.endswith("1 failed, 2 addresses")


def test_too_many_requests_that_are_given_up_end_the_run():
    with FaultServer(echo, plan=always("422")) as one, FaultServer(echo, plan=always("422")) as two:
        outcomes, _ = ask([one, two], PROMPTS[:60])
        said = [str(outcome) for outcome in outcomes if isinstance(outcome, EndpointError)]
        # answers come in any order: the first to end the run need not be the first that was asked
        first = f"{one.base_url}, {two.base_url}: 20 of the last 20 requests failed, most often: 422 "
        assert sum(line.startswith(first) for line in said) == 1


def test_servers_that_all_err_now_and_then_lose_no_request():
    def plan(number, body):
        return "500" if number % 3 == 0 else None

    with FaultServer(echo, plan=plan) as one, FaultServer(echo, plan=plan) as two:
        outcomes, _ = ask([one, two], attempts=20)
        assert are_answers(outcomes)

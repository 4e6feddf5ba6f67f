import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.config import Concurrency
from in2_plugin.llm.endpoint.concurrency import GOOD_PER_STEP, Gate, Pacing, Patience
from in2_plugin.llm.request import Stopping

PATIENCE = Patience()


def pacing(least=4, most=64) -> Pacing:
    return Pacing(Concurrency(min=least, max=most), PATIENCE, random.Random(0))


def test_it_begins_at_the_low_end_and_doubles_with_each_round_trip():
    rules = pacing()
    seen = []
    for _ in range(6):
        seen.append(int(rules.limit))
        for _ in range(int(rules.limit)):
            rules.good(under_way=int(rules.limit))
    assert seen == [4, 8, 16, 32, 64, 64]


def test_an_unused_limit_does_not_grow():
    rules = pacing()
    for _ in range(100):
        rules.good(under_way=3)
    assert rules.limit == 4


def test_after_a_push_back_it_grows_by_one_for_25():
    rules = pacing(least=40)
    rules.push_back(sent=0, now=1)
    assert rules.limit == 30
    for _ in range(GOOD_PER_STEP):
        rules.good(under_way=int(rules.limit))
    assert rules.limit == pytest.approx(31)


def test_a_burst_counts_once():
    rules = pacing(least=40)
    for sent in (1.0, 2.0, 3.0, 4.0):
        rules.too_many_requests(sent, now=5.0, retry_after=None)
    assert (rules.limit, rules.bursts) == (30, 1)
    # sent after the reduction: the endpoint still says no
    rules.too_many_requests(sent=6.0, now=7.0, retry_after=None)
    assert (rules.limit, rules.bursts) == (22.5, 2)


def test_the_limit_never_falls_below_one():
    rules = pacing()
    for i in range(100):
        rules.push_back(sent=i, now=i)
    assert rules.limit == 1


def test_retry_after_is_honoured_by_the_longest():
    rules = pacing()
    rules.too_many_requests(0, now=10, retry_after=7)
    rules.too_many_requests(0, now=11, retry_after=2)
    assert rules.opens_at == 17


def test_without_retry_after_the_gate_stays_closed_longer_with_each_burst():
    rules = pacing()
    waits = []
    for burst in range(9):
        now = 1_000.0 * (burst + 1)
        rules.too_many_requests(sent=now, now=now, retry_after=None)
        waits.append(rules.opens_at - now)
    expected = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(0.75 * e <= wait <= 1.25 * e for e, wait in zip(expected, waits, strict=True))
    rules.good(1)
    rules.too_many_requests(sent=10_000, now=10_000, retry_after=None)
    assert rules.opens_at - 10_000 <= 1.25


def test_a_short_retry_after_that_comes_again_and_again_is_not_enough():
    rules = pacing()
    waits = []
    for burst in range(4):
        now = 1_000.0 * (burst + 1)
        rules.too_many_requests(sent=now, now=now, retry_after=0.0)
        waits.append(rules.opens_at - now)
    assert waits[0] == 0
    assert all(0.75 * e <= wait <= 1.25 * e for e, wait in zip([2, 4, 8], waits[1:], strict=True))
    rules.too_many_requests(sent=9_000, now=9_000, retry_after=100)
    assert rules.opens_at == 9_100


def test_waits_between_attempts_double_with_full_jitter():
    rng = random.Random(0)
    for attempt, most in ((1, 0.5), (2, 1), (3, 2), (7, 32), (12, 32)):
        waits = [PATIENCE.before_retry(attempt, rng) for _ in range(300)]
        assert max(waits) <= most
        assert min(waits) < 0.1 * most < 0.9 * most < max(waits)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(0, 2**32))
def test_never_more_are_under_way_than_the_limit_and_none_is_forgotten(seed):
    rng = random.Random(seed)
    rules, clock = pacing(2, 6), Clock()

    async def check() -> int:
        gate = Gate(rules, clock)
        done = 0

        async def one() -> None:
            nonlocal done
            sent = await gate.enter()
            # the limit may have been lowered while others were under way, never raised by entering
            assert gate.under_way <= 6
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            if rng.random() < 0.2:
                clock.now += 0.001
                rules.push_back(sent, clock.now)
            else:
                rules.good(gate.under_way)
            gate.leave()
            done += 1

        await asyncio.gather(*(one() for _ in range(50)))
        assert gate.under_way == 0
        return done

    assert asyncio.run(check()) == 50


def test_a_closed_gate_opens_in_order_and_at_the_reduced_limit():
    async def check() -> None:
        loop = asyncio.get_running_loop()
        rules = pacing(8, 8)
        gate = Gate(rules, loop.time)
        rules.too_many_requests(loop.time(), loop.time(), retry_after=0.05)
        opens, entered = rules.opens_at, []

        async def one(i: int) -> None:
            assert await gate.enter() >= opens
            entered.append(i)

        tasks = [asyncio.create_task(one(i)) for i in range(10)]
        while not entered:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        assert entered == [0, 1, 2, 3, 4, 5]  # three quarters of eight
        for _ in range(4):
            gate.leave()
        await asyncio.gather(*tasks)
        assert entered == list(range(10))

    asyncio.run(check())


def test_one_who_gives_up_waiting_leaves_no_gap():
    async def check() -> None:
        gate = Gate(pacing(1, 1), asyncio.get_running_loop().time)
        await gate.enter()
        hasty, patient = (asyncio.create_task(gate.enter()) for _ in range(2))
        await asyncio.sleep(0)
        gate.leave()  # the turn of `hasty`, who gives up before it can take it
        hasty.cancel()
        await asyncio.wait_for(patient, 5)
        assert gate.under_way == 1

    asyncio.run(check())


def test_stopping_turns_away_those_who_wait_and_those_who_come():
    async def check() -> None:
        gate = Gate(pacing(1, 1), asyncio.get_running_loop().time)
        await gate.enter()
        waiting = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        gate.stop()
        for late in (waiting, gate.enter()):
            with pytest.raises(Stopping):
                await late
        gate.resume()
        gate.leave()
        await gate.enter()

    asyncio.run(check())


def test_the_rests_of_an_address_double_up_to_five_minutes():
    assert [PATIENCE.resting(times) for times in (1, 2, 3, 4, 6, 7, 900)] == [5, 10, 20, 40, 160, 300, 300]
    # what `rests` says of the time that a run without any other address waits
    assert sum(PATIENCE.resting(times) for times in range(1, PATIENCE.rests + 1)) == 75


def test_who_keeps_the_line_takes_the_room_there_is():
    now = 10.0
    gate = Gate(pacing(least=2), lambda: now)
    assert gate.has_room()
    assert [gate.take(), gate.take()] == [10.0, 10.0]
    assert not gate.has_room()
    gate.leave()
    assert gate.has_room()
    gate.pacing.opens_at = 11.0
    assert not gate.has_room()
    now = 11.0
    assert gate.has_room()

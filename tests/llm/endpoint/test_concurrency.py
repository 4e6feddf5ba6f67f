import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.config import Concurrency
from in2_plugin.llm.endpoint.concurrency import ANSWERS_PER_STEP, AdaptiveLimit, ConcurrencyLimiter, RetryPolicy
from in2_plugin.llm.request import RunStopped

POLICY = RetryPolicy()


def make_limit(low=4, high=64) -> AdaptiveLimit:
    return AdaptiveLimit(Concurrency(min=low, max=high), POLICY, random.Random(0))


def test_limit_starts_at_the_minimum_and_doubles_per_round_trip():
    limit = make_limit()
    seen = []
    for _ in range(6):
        seen.append(int(limit.current))
        for _ in range(int(limit.current)):
            limit.on_success(in_flight=int(limit.current))
    assert seen == [4, 8, 16, 32, 64, 64]


def test_an_unused_limit_does_not_grow():
    limit = make_limit()
    for _ in range(100):
        limit.on_success(in_flight=3)
    assert limit.current == 4


def test_limit_grows_by_one_per_25_answers_after_an_overload():
    limit = make_limit(low=40)
    limit.on_overload(sent=0, now=1)
    assert limit.current == 30
    for _ in range(ANSWERS_PER_STEP):
        limit.on_success(in_flight=int(limit.current))
    assert limit.current == pytest.approx(31)


def test_a_burst_counts_once():
    limit = make_limit(low=40)
    for sent in (1.0, 2.0, 3.0, 4.0):
        limit.on_rate_limited(sent, now=5.0, retry_after=None)
    assert (limit.current, limit.bursts) == (30, 1)
    # sent after the reduction: a new burst
    limit.on_rate_limited(sent=6.0, now=7.0, retry_after=None)
    assert (limit.current, limit.bursts) == (22.5, 2)


def test_the_limit_never_falls_below_one():
    limit = make_limit()
    for i in range(100):
        limit.on_overload(sent=i, now=i)
    assert limit.current == 1


def test_the_longest_retry_after_wins():
    limit = make_limit()
    limit.on_rate_limited(0, now=10, retry_after=7)
    limit.on_rate_limited(0, now=11, retry_after=2)
    assert limit.opens_at == 17


def test_waits_double_per_burst_without_retry_after():
    limit = make_limit()
    waits = []
    for burst in range(9):
        now = 1_000.0 * (burst + 1)
        limit.on_rate_limited(sent=now, now=now, retry_after=None)
        waits.append(limit.opens_at - now)
    expected = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(0.75 * e <= wait <= 1.25 * e for e, wait in zip(expected, waits, strict=True))
    limit.on_success(1)
    limit.on_rate_limited(sent=10_000, now=10_000, retry_after=None)
    assert limit.opens_at - 10_000 <= 1.25


def test_a_repeated_short_retry_after_is_extended():
    limit = make_limit()
    waits = []
    for burst in range(4):
        now = 1_000.0 * (burst + 1)
        limit.on_rate_limited(sent=now, now=now, retry_after=0.0)
        waits.append(limit.opens_at - now)
    assert waits[0] == 0
    assert all(0.75 * e <= wait <= 1.25 * e for e, wait in zip([2, 4, 8], waits[1:], strict=True))
    limit.on_rate_limited(sent=9_000, now=9_000, retry_after=100)
    assert limit.opens_at == 9_100


def test_backoff_doubles_with_full_jitter():
    rng = random.Random(0)
    for attempt, most in ((1, 0.5), (2, 1), (3, 2), (7, 32), (12, 32)):
        waits = [POLICY.backoff(attempt, rng) for _ in range(300)]
        assert max(waits) <= most
        assert min(waits) < 0.1 * most < 0.9 * most < max(waits)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(0, 2**32))
def test_requests_in_flight_never_exceed_the_limit_and_all_finish(seed):
    rng = random.Random(seed)
    limit, clock = make_limit(2, 6), Clock()

    async def check() -> int:
        limiter = ConcurrencyLimiter(limit, clock)
        done = 0

        async def one() -> None:
            nonlocal done
            sent = await limiter.acquire()
            # others in flight may have lowered the limit; acquiring never raises it
            assert limiter.in_flight <= 6
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            if rng.random() < 0.2:
                clock.now += 0.001
                limit.on_overload(sent, clock.now)
            else:
                limit.on_success(limiter.in_flight)
            limiter.release()
            done += 1

        await asyncio.gather(*(one() for _ in range(50)))
        assert limiter.in_flight == 0
        return done

    assert asyncio.run(check()) == 50


def test_a_closed_limiter_reopens_in_order_at_the_reduced_limit():
    async def check() -> None:
        loop = asyncio.get_running_loop()
        limit = make_limit(8, 8)
        limiter = ConcurrencyLimiter(limit, loop.time)
        limit.on_rate_limited(loop.time(), loop.time(), retry_after=0.05)
        opens, entered = limit.opens_at, []

        async def one(i: int) -> None:
            assert await limiter.acquire() >= opens
            entered.append(i)

        tasks = [asyncio.create_task(one(i)) for i in range(10)]
        while not entered:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        assert entered == [0, 1, 2, 3, 4, 5]  # three quarters of eight
        for _ in range(4):
            limiter.release()
        await asyncio.gather(*tasks)
        assert entered == list(range(10))

    asyncio.run(check())


def test_a_cancelled_waiter_passes_on_its_slot():
    async def check() -> None:
        limiter = ConcurrencyLimiter(make_limit(1, 1), asyncio.get_running_loop().time)
        await limiter.acquire()
        cancelled, waiting = (asyncio.create_task(limiter.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        limiter.release()  # admits `cancelled`, which is cancelled before it can run
        cancelled.cancel()
        await asyncio.wait_for(waiting, 5)
        assert limiter.in_flight == 1

    asyncio.run(check())


def test_stop_rejects_waiting_and_new_requests():
    async def check() -> None:
        limiter = ConcurrencyLimiter(make_limit(1, 1), asyncio.get_running_loop().time)
        await limiter.acquire()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        limiter.stop()
        for late in (waiting, limiter.acquire()):
            with pytest.raises(RunStopped):
                await late
        limiter.resume()
        limiter.release()
        await limiter.acquire()

    asyncio.run(check())


def test_cooldowns_double_up_to_five_minutes():
    assert [POLICY.cooldown_after(times) for times in (1, 2, 3, 4, 6, 7, 900)] == [5, 10, 20, 40, 160, 300, 300]
    # the time in the docstring of `max_cooldowns`
    assert sum(POLICY.cooldown_after(times) for times in range(1, POLICY.max_cooldowns + 1)) == 75


def test_acquire_nowait_uses_the_free_capacity():
    now = 10.0
    limiter = ConcurrencyLimiter(make_limit(low=2), lambda: now)
    assert limiter.has_capacity()
    assert [limiter.acquire_nowait(), limiter.acquire_nowait()] == [10.0, 10.0]
    assert not limiter.has_capacity()
    limiter.release()
    assert limiter.has_capacity()
    limiter.limit.opens_at = 11.0
    assert not limiter.has_capacity()
    now = 11.0
    assert limiter.has_capacity()

"""How many requests are in flight: more while the endpoint answers, fewer once it reports overload.

Additive increase, multiplicative decrease. The limit starts at the low end of its range and grows by one per answer, so
that it doubles with each round trip, until the first overload. After that it grows by one per 25 answers. An overload
takes a quarter away, once per burst: of the requests that were in flight at that time, only the first counts.
Invariant: never more than the limit are in flight, and none is sent while the limiter is closed.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from in2_plugin.config import Concurrency
from in2_plugin.llm.request import RunStopped

ANSWERS_PER_STEP = 25
DECREASE = 0.75


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waiting times, in seconds."""

    initial_backoff: float = 0.5
    """Before the second attempt of a request; doubles with each attempt."""
    max_backoff: float = 32.0
    throttle_wait: float = 1.0
    """How long the limiter stays closed after a 429 without `Retry-After`; doubles with each burst that no answer
    interrupts. From the second such burst on it is also the minimum, whatever the server asks for."""
    max_throttle_wait: float = 60.0
    max_retry_after: float = 3_600.0
    """A longer `Retry-After` ends the run instead."""
    max_bursts: int = 30
    """Consecutive bursts of 429 without a single answer before the run ends: about half an hour."""
    cooldown: float = 5.0
    """How long a server is left out of its pool before it is probed; doubles with each failed probe."""
    max_cooldown: float = 300.0
    max_cooldowns: int = 4
    """Consecutive cooldowns after which a run no longer waits for this server alone: 75 seconds. It is still probed."""

    def backoff(self, attempt: int, rng: random.Random) -> float:
        """Return the seconds to wait after the `attempt`-th failure, with full jitter."""
        return rng.uniform(0, min(self.max_backoff, self.initial_backoff * 2.0 ** (attempt - 1)))

    def cooldown_after(self, failures: int) -> float:
        """Return the seconds that a server stays out of its pool after so many failures in a row."""
        return min(self.max_cooldown, self.cooldown * 2.0 ** (failures - 1))

    def throttle_wait_after(self, burst: int, rng: random.Random) -> float:
        """Return the seconds that the limiter stays closed after the `burst`-th burst in a row."""
        return min(self.max_throttle_wait, self.throttle_wait * 2.0 ** (burst - 1)) * rng.uniform(0.75, 1.25)


class AdaptiveLimit:
    """The rules that move the limit; the time is an argument."""

    def __init__(self, concurrency: Concurrency, retry_policy: RetryPolicy, rng: random.Random) -> None:
        self._range, self._retry_policy, self._rng = concurrency, retry_policy, rng
        self.current = float(concurrency.min)
        self.opens_at = 0.0
        """Time before which nothing is sent."""
        self.bursts = 0
        """Bursts of 429 since the last answer."""
        self._was_overloaded = False
        self._last_burst = float("-inf")

    def on_success(self, in_flight: int) -> None:
        """Record an answer; `in_flight` still counts it. A limit that is not used does not grow."""
        self.bursts = 0
        if in_flight >= int(self.current):
            step = 1 / ANSWERS_PER_STEP if self._was_overloaded else 1
            self.current = min(self._range.max, self.current + step)

    def on_overload(self, sent: float, now: float) -> bool:
        """Record that a request sent at `sent` met an overload; return True if it starts a new burst."""
        if sent < self._last_burst:
            return False
        self._last_burst, self._was_overloaded = now, True
        self.current = max(1.0, self.current * DECREASE)
        return True

    def on_rate_limited(self, sent: float, now: float, retry_after: float | None) -> None:
        """Record a 429, and close the limiter for as long as it asks."""
        is_new_burst = self.on_overload(sent, now)
        if is_new_burst:
            self.bursts += 1
        wait = retry_after or 0.0
        if is_new_burst and (retry_after is None or self.bursts > 1):
            # also with a Retry-After: some servers always send 0 and would be asked without a pause
            wait = max(wait, self._retry_policy.throttle_wait_after(self.bursts, self._rng))
        self.opens_at = max(self.opens_at, now + wait)


class ConcurrencyLimiter:
    """Admits requests as `AdaptiveLimit` allows, first come, first served. Belongs to one event loop."""

    def __init__(self, limit: AdaptiveLimit, clock: Callable[[], float]) -> None:
        self.limit, self._clock = limit, clock
        self.in_flight = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    async def acquire(self) -> float:
        """Wait until a request may be sent; return the time at which it may.

        Raises:
            RunStopped: `stop` was called.
        """
        if self._stopped:
            raise RunStopped("stopping")
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self.admit()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and not waiter.exception():
                self.release()
            raise
        return self._clock()

    def has_capacity(self) -> bool:
        """Return True if a request that comes now would not wait."""
        return self._clock() >= self.limit.opens_at and self.in_flight < int(self.limit.current)

    def acquire_nowait(self) -> float:
        """Count a request without waiting, for callers with their own queue; return the time."""
        self.in_flight += 1
        return self._clock()

    def release(self) -> None:
        """Count one request less in flight, and admit the next."""
        self.in_flight -= 1
        self.admit()

    def admit(self) -> None:
        """Admit the requests that may be sent now."""
        now = self._clock()
        if now < self.limit.opens_at:
            self._admit_in(self.limit.opens_at - now)
            return
        while self._waiters and self.in_flight < int(self.limit.current):
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.in_flight += 1
                waiter.set_result(None)

    def _admit_in(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.admit)

    def stop(self) -> None:
        """Reject all requests that wait, and all that come later."""
        self._stopped = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(RunStopped("stopping"))

    def resume(self) -> None:
        """Admit requests again."""
        self._stopped = False


async def wait_unless_stopped(stop: asyncio.Event, seconds: float) -> None:
    """Wait so many seconds.

    Raises:
        RunStopped: `stop` was set in the meantime.
    """
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
    raise RunStopped("stopping")

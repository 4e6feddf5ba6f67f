"""How many requests may be under way: more while answers are good, fewer once the endpoint pushes back.

Additive increase, multiplicative decrease. The limit begins at the low end of its range and grows by one for every good
answer, so that it doubles with each round trip, until the first push-back; from then on by one for every 25. A
push-back takes a quarter away, once per burst: of the requests that were under way at that time only the first counts.
Invariant: never more than `limit` are under way, and none is sent while the gate is closed.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from in2_plugin.config import Concurrency
from in2_plugin.llm.request import Stopping

GOOD_PER_STEP = 25
DECREASE = 0.75


@dataclass(frozen=True, slots=True)
class Patience:
    """Waits, in seconds."""

    retry: float = 0.5
    """Before the second attempt of a request; doubles with each."""
    retry_most: float = 32.0
    closed: float = 1.0
    """How long the gate closes after a 429 that does not say; doubles with each burst without a good answer. From the
    second such burst on it is also the least, whatever the server says."""
    closed_most: float = 60.0
    farthest: float = 3_600.0
    """A `Retry-After` beyond this ends the run instead."""
    bursts: int = 30
    """Bursts of 429 without one good answer between them that end the run: about half an hour."""
    rest: float = 5.0
    """How long an address is left out of a pool before it is tried again; doubles each time it fails then."""
    rest_most: float = 300.0
    rests: int = 4
    """Rests in a row after which an address no longer counts as one that may come back: 75 seconds. It is tried on,
    but the run does not wait for it alone."""

    def before_retry(self, attempt: int, rng: random.Random) -> float:
        """Seconds to wait after the `attempt`-th failure, with full jitter."""
        return rng.uniform(0, min(self.retry_most, self.retry * 2.0 ** (attempt - 1)))

    def resting(self, times: int) -> float:
        """Seconds that an address is left out of its pool after failing for the `times`-th time in a row."""
        return min(self.rest_most, self.rest * 2.0 ** (times - 1))

    def after_burst(self, burst: int, rng: random.Random) -> float:
        """Seconds that the gate stays closed after the `burst`-th burst in a row."""
        return min(self.closed_most, self.closed * 2.0 ** (burst - 1)) * rng.uniform(0.75, 1.25)


class Pacing:
    """The rules, with the time as an argument."""

    def __init__(self, concurrency: Concurrency, patience: Patience, rng: random.Random) -> None:
        self._range, self._patience, self._rng = concurrency, patience, rng
        self.limit = float(concurrency.min)
        self.opens_at = 0.0
        """Time before which nothing is sent."""
        self.bursts = 0
        """Bursts of 429 since the last good answer."""
        self._eased = False
        self._last_burst = float("-inf")

    def good(self, under_way: int) -> None:
        """Note a good answer; `under_way` counts it still. An unused limit does not grow."""
        self.bursts = 0
        if under_way >= int(self.limit):
            step = 1 / GOOD_PER_STEP if self._eased else 1
            self.limit = min(self._range.max, self.limit + step)

    def push_back(self, sent: float, now: float) -> bool:
        """Note that a request which was sent at `sent` met an overload; whether it begins a new burst."""
        if sent < self._last_burst:
            return False
        self._last_burst, self._eased = now, True
        self.limit = max(1.0, self.limit * DECREASE)
        return True

    def too_many_requests(self, sent: float, now: float, retry_after: float | None) -> None:
        """Note a 429, and close the gate for as long as it says."""
        begins = self.push_back(sent, now)
        if begins:
            self.bursts += 1
        wait = retry_after or 0.0
        if begins and (retry_after is None or self.bursts > 1):
            # also when it says: some say 0 each time, and would be asked without a pause
            wait = max(wait, self._patience.after_burst(self.bursts, self._rng))
        self.opens_at = max(self.opens_at, now + wait)


class Gate:
    """Lets requests through as `Pacing` allows, in the order in which they came. Belongs to one event loop."""

    def __init__(self, pacing: Pacing, clock: Callable[[], float]) -> None:
        self.pacing, self._clock = pacing, clock
        self.under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._stopped = False

    async def enter(self) -> float:
        """Wait for leave to send; returns the time it was given.

        Raises:
            Stopping: `stop` was called.
        """
        if self._stopped:
            raise Stopping("stopping")
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and not turn.exception():
                self.leave()
            raise
        return self._clock()

    def has_room(self) -> bool:
        """Whether one that comes now would not wait."""
        return self._clock() >= self.pacing.opens_at and self.under_way < int(self.pacing.limit)

    def take(self) -> float:
        """Enter without waiting, for those who keep the line themselves; returns the time."""
        self.under_way += 1
        return self._clock()

    def leave(self) -> None:
        """A request that was let through is answered."""
        self.under_way -= 1
        self.admit()

    def admit(self) -> None:
        """Let through what may go now."""
        now = self._clock()
        if now < self.pacing.opens_at:
            self._wake_at(self.pacing.opens_at - now)
            return
        while self._waiting and self.under_way < int(self.pacing.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self.under_way += 1
                turn.set_result(None)

    def _wake_at(self, seconds: float) -> None:
        if self._alarm:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self.admit)

    def stop(self) -> None:
        """Turn away all who wait, and all who come."""
        self._stopped = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(Stopping("stopping"))

    def resume(self) -> None:
        """Let through again."""
        self._stopped = False


async def wait_unless_stopped(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long.

    Raises:
        Stopping: `stop` was set meanwhile.
    """
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
    raise Stopping("stopping")

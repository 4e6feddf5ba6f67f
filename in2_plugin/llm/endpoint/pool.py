"""Live requests to several servers of the same model: each goes to the one with most room.

One line for all: a request is given to an address when that can take it, so that none waits behind a slow server or
dies with a dead one. Invariants: a request is never under way at two addresses; what an address that is taken out
fails at costs the request no attempt; the run ends when no address is left. Cost: 20 us of CPU a call with eight
addresses, above that of one.
"""

import asyncio
import random
import resource
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError, EndpointError
from in2_plugin.llm.endpoint.client import too_many_failed, went_wrong
from in2_plugin.llm.endpoint.concurrency import Patience, wait_unless_stopped
from in2_plugin.llm.endpoint.error_rate import Outcomes
from in2_plugin.llm.endpoint.errors import Throttled, Transient
from in2_plugin.llm.endpoint.pool_member import Address, Say, Visit
from in2_plugin.llm.request import Answer, CallFailed, Request, Stopping

OTHER_FILES = 256
"""Open files besides connections: libraries, the work log, the dataset."""


class EndpointPool:
    """A `Transport` over one `LiveEndpoint` an address."""

    def __init__(
        self, config: EndpointConfig, rng: random.Random, patience: Patience | None = None, say: Say = lambda line: None
    ) -> None:
        """Prepare the connections; nothing is sent yet. `say` hears of addresses that are left out or come back.

        Raises:
            MissingExtra: the SDK is not installed.
            ConfigError: the key is missing, or all connections together are more than the system allows.
        """
        self._config, self._rng, self._patience = config, rng, patience or Patience()
        allow_connections(len(config.addresses) * config.concurrency.max)
        self._addresses = [Address(config.at(url), rng, self._patience, say) for url in config.addresses]
        self._line = _Line(self._addresses)
        self._outcomes = Outcomes(config.max_error_rate)
        self._stop = asyncio.Event()
        self._failed = 0

    async def answer(self, request: Request) -> Answer:
        """See `Transport`."""
        journey = _Journey(set())
        while True:
            address, visit = await self._line.enter(journey)
            try:
                answer = await address.live.attempt(request)
                address.answered(visit)
                self._outcomes.add(None)
                return answer
            except Throttled as throttled:
                address.throttled(visit, throttled)
            except Transient as trouble:
                self._note(journey, address, visit, trouble)
            except EndpointError as error:
                address.lost(visit, error)
            except CallFailed as refusal:
                address.refused(visit, refusal)
                self._give_up(str(refusal))
                raise
            finally:
                self._line.leave(address, visit)
            await self._pause(journey)

    def _note(self, journey: "_Journey", address: Address, visit: Visit, trouble: Transient) -> None:
        others = [other for other in self._addresses if other.is_up and other is not address]
        journey.failed_at.add(address)
        if not address.failed(visit, trouble, is_last=not others):
            return
        journey.attempts += 1
        # two servers are asked at least, if there are two: the fault may be the first one's
        if journey.attempts >= self._config.attempts and (len(journey.failed_at) > 1 or not others):
            self._give_up(trouble.reason)
            raise CallFailed(f"{trouble.reason}, {journey.attempts} times") from None

    def _give_up(self, reason: str) -> None:
        self._failed += 1
        if said := self._outcomes.add(reason):
            raise EndpointError(too_many_failed(", ".join(self._config.addresses), said))

    async def _pause(self, journey: "_Journey") -> None:
        """Wait before the next attempt, unless it can be made where the request did not fail yet."""
        if not journey.failed_at or any(journey.avoids(address, self._addresses) for address in journey.failed_at):
            return
        await wait_unless_stopped(self._stop, self._patience.before_retry(max(1, journey.attempts), self._rng))

    def stop(self) -> None:
        """Send nothing more; what was sent is still waited for."""
        self._stop.set()
        self._line.stop()

    def resume(self) -> None:
        """Send again."""
        self._stop.clear()
        self._line.resume()

    def traffic(self) -> str:
        """Requests under way, what went wrong so far, and which addresses are out."""
        lives = [address.live for address in self._addresses]
        under_way = sum(live.gate.under_way for live in lives)
        limit = sum(int(address.live.gate.pacing.limit) for address in self._addresses if address.is_up)
        throttled, again = sum(live.throttled for live in lives), sum(live.retried.total() for live in lives)
        parts = [f"{under_way} of {limit} at once", *went_wrong(throttled, again, self._failed)]
        parts.append(f"{len(lives)} addresses")
        if down := [f"{address.url}: {address.summary}" for address in self._addresses if not address.is_up]:
            parts.append(f"{len(down)} down ({'; '.join(down)})")
        return ", ".join(parts)

    async def close(self) -> None:
        """Close all connections."""
        for address in self._addresses:
            await address.live.close()


@dataclass(slots=True)
class _Journey:
    """What befell a request so far."""

    failed_at: set[Address]
    attempts: int = 0

    def avoids(self, address: Address, addresses: Sequence[Address]) -> bool:
        """Whether another address that is up should be asked instead."""
        return address in self.failed_at and any(other.is_up and other not in self.failed_at for other in addresses)


@dataclass(frozen=True, slots=True)
class _Turn:
    journey: _Journey
    given: asyncio.Future[tuple[Address, Visit]]


class _Line:
    """Those who wait for an address, in the order in which they came. Belongs to one event loop."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._waiting: deque[_Turn] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._is_stopped = False

    async def enter(self, journey: _Journey) -> tuple[Address, Visit]:
        """Wait for an address that can take the request.

        Raises:
            Stopping: `stop` was called.
            EndpointError: no address is left.
        """
        if self._is_stopped:
            raise Stopping("stopping")
        turn = _Turn(journey, asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        self.admit()
        try:
            return await turn.given
        except asyncio.CancelledError:
            if turn.given.done() and not turn.given.cancelled() and not turn.given.exception():
                self.leave(*turn.given.result())
            raise

    def leave(self, address: Address, visit: Visit) -> None:
        """The request is answered, or not."""
        address.leave(visit)
        self.admit()

    def admit(self) -> None:
        """Give an address to all who can have one now."""
        passed: list[_Turn] = []
        while self._waiting and (free := [address for address in self._addresses if address.is_free]):
            turn = self._waiting.popleft()
            if turn.given.done():
                continue
            open_to_it = [address for address in free if not turn.journey.avoids(address, self._addresses)]
            if not open_to_it:
                passed.append(turn)
                continue
            # one that is due to be tried again goes first: that costs one request, and may bring back a server
            address = min(open_to_it, key=lambda address: (address.is_up, address.load))
            turn.given.set_result((address, address.enter()))
        self._waiting.extendleft(reversed(passed))
        if self._waiting:
            self._wait_or_end()

    def _wait_or_end(self) -> None:
        if all(address.is_lost for address in self._addresses):
            self._turn_away(lambda: EndpointError(none_left(self._addresses)))
            return
        wakes = [seconds for address in self._addresses if (seconds := address.wakes_in()) is not None]
        if not wakes:
            return
        loop, seconds = asyncio.get_running_loop(), min(wakes)
        if self._alarm and loop.time() < self._alarm.when() <= loop.time() + seconds and not self._alarm.cancelled():
            return
        if self._alarm:
            self._alarm.cancel()
        self._alarm = loop.call_later(seconds, self.admit)

    def stop(self) -> None:
        """Turn away all who wait, and all who come."""
        self._is_stopped = True
        self._turn_away(lambda: Stopping("stopping"))

    def resume(self) -> None:
        """Let through again."""
        self._is_stopped = False

    def _turn_away(self, reason: Callable[[], Exception]) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.given.done():
                turn.given.set_exception(reason())


def none_left(addresses: Sequence[Address]) -> str:
    """The sentence that ends a run without any server."""
    reasons = "; ".join(f"{address.url} {address.reason}" for address in addresses)
    return (
        f"no address of `questions.endpoint.base_url` is left: {reasons}. Answers so far are kept; see to the servers, "
        "or correct the list, then run again"
    )


def allow_connections(connections: int) -> None:
    """Raise this process's limit of open files to hold so many connections; the usual limit is 1,024.

    Raises:
        ConfigError: the system does not allow as many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + OTHER_FILES
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ConfigError(
            f"{connections:,} connections at once (addresses of `base_url` times `concurrency`) are more than the "
            f"{hard:,} open files that the system allows; lower `questions.endpoint.concurrency` or raise `ulimit -Hn`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))

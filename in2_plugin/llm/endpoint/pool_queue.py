"""The queue of a server pool: requests wait here, and leave it when a server can take them.

Invariants: first come, first served, except that a request avoids servers at which it has failed while an untried one
is up; all requests are rejected once no server can come back. Belongs to one event loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from in2_plugin.errors import EndpointError
from in2_plugin.llm.endpoint.pool_member import PoolAttempt, PoolMember
from in2_plugin.llm.request import RunStopped


@dataclass(slots=True)
class RequestState:
    """The failed attempts of one request."""

    failed_at: set[PoolMember]
    attempts: int = 0

    def avoids(self, member: PoolMember, members: Sequence[PoolMember]) -> bool:
        """Return True if the request failed at this server, and another one that is up has not been tried."""
        return member in self.failed_at and any(other.is_up and other not in self.failed_at for other in members)


@dataclass(frozen=True, slots=True)
class _Waiter:
    state: RequestState
    assigned: asyncio.Future[tuple[PoolMember, PoolAttempt]]


class PoolQueue:
    """Requests that wait for a server, first come, first served. Belongs to one event loop."""

    def __init__(self, members: Sequence[PoolMember]) -> None:
        self._members = members
        self._waiters: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = False

    async def acquire(self, state: RequestState) -> tuple[PoolMember, PoolAttempt]:
        """Wait for a server that can take the request.

        Raises:
            RunStopped: `stop` was called.
            EndpointError: no server is left.
        """
        if self._is_stopped:
            raise RunStopped("stopping")
        waiter = _Waiter(state, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self.admit()
        try:
            return await waiter.assigned
        except asyncio.CancelledError:
            assigned = waiter.assigned
            if assigned.done() and not assigned.cancelled() and not assigned.exception():
                self.release(*assigned.result())
            raise

    def release(self, member: PoolMember, attempt: PoolAttempt) -> None:
        """End an attempt, and assign the capacity that it frees."""
        member.release(attempt)
        self.admit()

    def admit(self) -> None:
        """Assign a server to every request that can have one now."""
        skipped: list[_Waiter] = []
        while self._waiters and (free := [member for member in self._members if member.is_free]):
            waiter = self._waiters.popleft()
            if waiter.assigned.done():
                continue
            candidates = [member for member in free if not waiter.state.avoids(member, self._members)]
            if not candidates:
                skipped.append(waiter)
                continue
            # a server that is due for a probe goes first: that costs one request and may bring it back
            member = min(candidates, key=lambda member: (member.is_up, member.load))
            waiter.assigned.set_result((member, member.acquire()))
        self._waiters.extendleft(reversed(skipped))
        if self._waiters:
            self._schedule_or_end()

    def _schedule_or_end(self) -> None:
        if all(member.is_lost for member in self._members):
            self._reject_all(lambda: EndpointError(no_server_message(self._members)))
            return
        delays = [seconds for member in self._members if (seconds := member.seconds_until_free()) is not None]
        if not delays:
            return
        loop, seconds = asyncio.get_running_loop(), min(delays)
        if self._timer and loop.time() < self._timer.when() <= loop.time() + seconds and not self._timer.cancelled():
            return
        if self._timer:
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self.admit)

    def stop(self) -> None:
        """Reject all requests that wait, and all that come later."""
        self._is_stopped = True
        self._reject_all(lambda: RunStopped("stopping"))

    def resume(self) -> None:
        """Admit requests again."""
        self._is_stopped = False

    def _reject_all(self, reason: Callable[[], Exception]) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.assigned.done():
                waiter.assigned.set_exception(reason())


def no_server_message(members: Sequence[PoolMember]) -> str:
    """Return the sentence that ends a run without any server."""
    reasons = "; ".join(f"{member.url} {member.reason}" for member in members)
    return (
        f"no address of `questions.endpoint.base_url` is left: {reasons}. Answers so far are kept; check the servers, "
        "or correct the list, then run again"
    )

"""Request coalescing: collect requests that arrive one by one, and answer them together in groups.

A group is dispatched when it is full, or when no request has arrived for a while: callers wait for these very answers,
so an idle queue means that nobody can send more. The idle time restarts when a group is done, because its answers lead
to new requests. Invariants: at most `max_concurrent` groups are open; a failed group fails only its own requests, and
of those only the ones that have no outcome yet. Cost: one future per request, and a single timer.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from in2_plugin.llm.request import Completion, Request, RequestFailed, RunStopped

AnswerGroup = Callable[[Sequence[Request]], Awaitable[Sequence[Completion | RequestFailed]]]
"""Answers a group, in its order. A slow one passes on early outcomes with `RequestCoalescer.settle`, and still returns
all of them at its end. What it raises is raised for every request of the group that has no outcome by then."""


@dataclass(frozen=True, slots=True)
class _PendingRequest:
    request: Request
    answered: asyncio.Future[Completion]

    def settle(self, outcome: Completion | Exception) -> None:
        if self.answered.done():
            return  # settled before, or cancelled
        if isinstance(outcome, Completion):
            self.answered.set_result(outcome)
        else:
            self.answered.set_exception(outcome)


class RequestCoalescer:
    """A `Transport` over a function that answers many requests together. Belongs to one event loop."""

    def __init__(self, answer_group: AnswerGroup, *, size: int, idle_seconds: float, max_concurrent: int = 1) -> None:
        """Collect groups of up to `size` requests, with up to `max_concurrent` groups open."""
        self._answer_group, self._size, self._max_concurrent = answer_group, size, max_concurrent
        self._idle_seconds = idle_seconds
        self._queue: deque[_PendingRequest] = deque()
        self._open_groups: set[asyncio.Task[None]] = set()
        # by identity: an open group keeps its requests alive, so that no id is reused
        self._in_flight: dict[int, _PendingRequest] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._stopped = False

    @property
    def in_flight(self) -> int:
        """Requests of open groups that have no outcome yet."""
        return len(self._in_flight)

    async def answer(self, request: Request) -> Completion:
        """See `Transport`; also raises what the request's group raises."""
        if self._stopped:
            raise RunStopped("stopping")
        loop = asyncio.get_running_loop()
        pending = _PendingRequest(request, loop.create_future())
        self._queue.append(pending)
        self._idle_since = loop.time()
        self._dispatch_full_groups()
        return await pending.answered

    def settle(self, request: Request, outcome: Completion | RequestFailed) -> None:
        """Give a request its outcome before its group is done; the first outcome counts."""
        if pending := self._in_flight.pop(id(request), None):
            pending.settle(outcome)

    def _dispatch_full_groups(self) -> None:
        while len(self._queue) >= self._size and self._has_capacity():
            self._dispatch()
        if self._queue and self._has_capacity() and self._timer is None:
            self._start_timer(self._idle_seconds)

    def _has_capacity(self) -> bool:
        return len(self._open_groups) < self._max_concurrent

    def _start_timer(self, seconds: float) -> None:
        # one timer that is extended when it fires early: restarting it with every request would cost a timer each
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not self._queue or not self._has_capacity():
            return
        left = self._idle_since + self._idle_seconds - asyncio.get_running_loop().time()
        if left > 0:
            self._start_timer(left)
        else:
            self._dispatch()
            self._dispatch_full_groups()

    def _dispatch(self) -> None:
        taken = [self._queue.popleft() for _ in range(min(self._size, len(self._queue)))]
        group = [pending for pending in taken if not pending.answered.done()]
        if not group:
            return
        self._in_flight.update({id(pending.request): pending for pending in group})
        task = asyncio.get_running_loop().create_task(self._answer_all(group))
        self._open_groups.add(task)
        task.add_done_callback(partial(self._on_group_done, group))

    async def _answer_all(self, group: list[_PendingRequest]) -> None:
        outcomes: Sequence[Completion | Exception]
        try:
            outcomes = await self._answer_group([pending.request for pending in group])
            if len(outcomes) != len(group):
                raise ValueError(f"{len(outcomes)} outcomes for {len(group)} requests")
        except Exception as failure:
            outcomes = [failure] * len(group)
        for pending, outcome in zip(group, outcomes, strict=True):
            pending.settle(outcome)

    def _on_group_done(self, group: list[_PendingRequest], task: asyncio.Task[None]) -> None:
        self._open_groups.discard(task)
        for pending in group:
            self._in_flight.pop(id(pending.request), None)
            # if the task was cancelled, perhaps before its first step
            pending.settle(RunStopped("stopping"))
        loop = asyncio.get_running_loop()
        self._idle_since = loop.time()
        self._dispatch_full_groups()

    def stop(self) -> None:
        """Dispatch no more groups; open ones are awaited."""
        self._stopped = True
        while self._queue:
            self._queue.popleft().settle(RunStopped("stopping"))

    def resume(self) -> None:
        """Collect requests again."""
        self._stopped = False

    def traffic(self) -> str:
        """Describe the requests in open groups and in the queue."""
        parts = [(self.in_flight, "in flight"), (len(self._queue), "waiting")]
        return ", ".join(f"{count:,} {what}" for count, what in parts if count)

    async def close(self) -> None:
        """Cancel open groups."""
        self.stop()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        for task in list(self._open_groups):
            task.cancel()
        await asyncio.gather(*self._open_groups, return_exceptions=True)

"""Requests in groups: gather what is asked for one by one, and hand it over together.

A group goes out when it is full, or when the line has been quiet for a while: those who ask wait for these very
answers, so a quiet line means that nobody can ask more. The quiet time begins anew when a run ends, because its answers
make new questions. Invariants: no more than `at_once` runs are open; a failed run fails its own requests only, and of
those only the ones that were not settled while it went on. Cost: one future a request, and one timer in all.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from in2_plugin.llm.request import Answer, CallFailed, Request, Stopping

Run = Callable[[Sequence[Request]], Awaitable[Sequence[Answer | CallFailed]]]
"""Answers a group, in its order. A run that takes long hands over what it has with `Gathering.settle`, and returns it
once more at its end. What it raises is raised to all in the group who have no answer by then."""


@dataclass(frozen=True, slots=True)
class _Asked:
    request: Request
    answered: asyncio.Future[Answer]

    def settle(self, outcome: Answer | Exception) -> None:
        if self.answered.done():
            return  # settled before, or nobody waits for it any more
        if isinstance(outcome, Answer):
            self.answered.set_result(outcome)
        else:
            self.answered.set_exception(outcome)


class Gathering:
    """A `Transport` over a function that answers many requests together. Belongs to one event loop."""

    def __init__(self, run: Run, *, size: int, quiet: float, at_once: int = 1) -> None:
        """Gather groups of at most `size` requests; `quiet` is in seconds, `at_once` counts groups."""
        self._run, self._size, self._quiet, self._at_once = run, size, quiet, at_once
        self._line: deque[_Asked] = deque()
        self._runs: set[asyncio.Task[None]] = set()
        # by identity: a run holds on to its requests, so that no number is given twice
        self._under_way: dict[int, _Asked] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._quiet_since = 0.0
        self._stopped = False

    @property
    def under_way(self) -> int:
        """Requests in groups that were handed over and not answered yet."""
        return len(self._under_way)

    async def answer(self, request: Request) -> Answer:
        """See `Transport`; raises also what the run of its group raises."""
        if self._stopped:
            raise Stopping("stopping")
        loop = asyncio.get_running_loop()
        asked = _Asked(request, loop.create_future())
        self._line.append(asked)
        self._quiet_since = loop.time()
        self._send_full()
        return await asked.answered

    def settle(self, request: Request, outcome: Answer | CallFailed) -> None:
        """Give a request of an open run its outcome before the run ends; the first one stays."""
        if asked := self._under_way.pop(id(request), None):
            asked.settle(outcome)

    def _send_full(self) -> None:
        while len(self._line) >= self._size and self._has_room():
            self._send()
        if self._line and self._has_room() and self._alarm is None:
            self._wake_in(self._quiet)

    def _has_room(self) -> bool:
        return len(self._runs) < self._at_once

    def _wake_in(self, seconds: float) -> None:
        # one alarm that is put off when it rings too early: moving it with every request would cost a timer each
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if not self._line or not self._has_room():
            return
        left = self._quiet_since + self._quiet - asyncio.get_running_loop().time()
        if left > 0:
            self._wake_in(left)
        else:
            self._send()
            self._send_full()

    def _send(self) -> None:
        taken = [self._line.popleft() for _ in range(min(self._size, len(self._line)))]
        group = [asked for asked in taken if not asked.answered.done()]
        if not group:
            return
        self._under_way.update({id(asked.request): asked for asked in group})
        run = asyncio.get_running_loop().create_task(self._answer_all(group))
        self._runs.add(run)
        run.add_done_callback(partial(self._note_end, group))

    async def _answer_all(self, group: list[_Asked]) -> None:
        outcomes: Sequence[Answer | Exception]
        try:
            outcomes = await self._run([asked.request for asked in group])
            if len(outcomes) != len(group):
                raise ValueError(f"{len(outcomes)} outcomes for {len(group)} requests")
        except Exception as failure:
            outcomes = [failure] * len(group)
        for asked, outcome in zip(group, outcomes, strict=True):
            asked.settle(outcome)

    def _note_end(self, group: list[_Asked], run: asyncio.Task[None]) -> None:
        self._runs.discard(run)
        for asked in group:
            self._under_way.pop(id(asked.request), None)
            # of a run that was cancelled, perhaps before its first step
            asked.settle(Stopping("stopping"))
        loop = asyncio.get_running_loop()
        self._quiet_since = loop.time()
        self._send_full()

    def stop(self) -> None:
        """Hand over nothing more; what was handed over is still waited for."""
        self._stopped = True
        while self._line:
            self._line.popleft().settle(Stopping("stopping"))

    def resume(self) -> None:
        """Gather again."""
        self._stopped = False

    def traffic(self) -> str:
        """Requests handed over, and those that wait for their group."""
        parts = [(self.under_way, "under way"), (len(self._line), "waiting")]
        return ", ".join(f"{count:,} {what}" for count, what in parts if count)

    async def close(self) -> None:
        """Give up what is under way."""
        self.stop()
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        for run in list(self._runs):
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)

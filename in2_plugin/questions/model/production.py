"""Work on many passages at once, and hand their results out in the order of the passages.

Invariant: the order and number of results depend on the answers alone, never on when they came. A passage that takes
long holds back delivery, not work: up to `WINDOW` passages may be finished behind it. Cost: one asyncio task a passage
that is under way.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from in2_plugin.llm.request import RunStopped
from in2_plugin.questions.question import Passage, Question, Rejection

PassageResults = tuple[Question | Rejection, ...]
WINDOW = 32_768
"""Passages begun and not yet taken, at most; finished ones hold about 2 KB each."""
LEAST_YIELD = 0.02
"""Questions a passage at least, for the guess of how many passages are still needed."""
SETTLED = 20
"""Passages after which the yield so far is a better guess than the number asked for."""


class Production:
    """One run over passages of one kind. Belongs to one event loop, but for `taken`."""

    def __init__(
        self,
        work: Callable[[Passage], Coroutine[Any, Any, PassageResults]],
        open_at_once: int,
        per_passage: int,
        missing: Callable[[], int],
    ) -> None:
        self._work, self._open_at_once, self._per_passage, self._missing = work, open_at_once, per_passage, missing
        self._window = max(WINDOW, open_at_once)
        self._wanted = missing()
        self._line: deque[asyncio.Task[PassageResults]] = deque()
        self._changed = asyncio.Event()
        self._open = self._begun = self._taken = 0
        self._ended = False
        self._failure: BaseException | None = None

    async def run(self, passages: Iterator[Passage], deliver: Callable[[PassageResults], None]) -> None:
        """Deliver the results of each passage, until there are no more passages or `stop` was called.

        Raises:
            In2Error: what made all further work impossible, as soon as it is known; open work is finished first.
        """
        try:
            while not self._failure:
                self._begin(passages)
                while self._line and self._line[0].done():
                    deliver(self._line.popleft().result())
                if self._ended and not self._line:
                    return
                await self._changed.wait()
                self._changed.clear()
            raise self._failure
        except RunStopped:
            return
        finally:
            await asyncio.gather(*self._line, return_exceptions=True)

    def _begin(self, passages: Iterator[Passage]) -> None:
        while not self._ended and self._open < self._open_at_once and self._is_wanted():
            passage = next(passages, None)
            if passage is None:
                self._ended = True
                return
            task = asyncio.get_running_loop().create_task(self._work(passage))
            task.add_done_callback(self._note_done)
            self._line.append(task)
            self._begun += 1
            self._open += 1

    def _note_done(self, task: asyncio.Task[PassageResults]) -> None:
        self._open -= 1
        failure = None if task.cancelled() else task.exception()
        if failure and not isinstance(failure, RunStopped):
            self._failure = self._failure or failure
            self.stop()
        self._changed.set()

    def _is_wanted(self) -> bool:
        """Whether another passage is likely to be needed: calls beyond that would be paid for and not used."""
        waiting, missing = self._begun - self._taken, self._missing()
        if missing <= 0 or waiting >= self._window:
            return False
        if self._taken < SETTLED:
            gives = float(self._per_passage)
        else:
            gives = max((self._wanted - missing) / self._taken, LEAST_YIELD)
        return waiting == 0 or waiting * gives < missing

    def take(self, passages: int = 1) -> None:
        """Note that the results of so many passages were used."""
        self._taken += passages
        self._changed.set()

    def stop(self) -> None:
        """Begin no more passages."""
        self._ended = True
        self._changed.set()

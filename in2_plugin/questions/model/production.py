"""Work on many passages concurrently, and deliver their results in the order of the passages.

Invariant: the order and number of results depend only on the answers, never on their timing. A slow passage delays
delivery, not work: up to `WINDOW` later passages may finish before it. When a limit of calls or money is reached,
passages without stored answers are skipped, so that answers that are already paid for can complete the build. Cost: one
asyncio task per passage in progress.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from in2_plugin.errors import SpendingStopped
from in2_plugin.llm.request import RunStopped
from in2_plugin.questions.question import Passage, Question, Rejection

PassageResults = tuple[Question | Rejection, ...]
WINDOW = 32_768
"""Maximum passages that are started and not yet taken; a finished one takes about 2 KB."""
LEAST_YIELD = 0.02
"""Lower bound of the questions per passage, to estimate how many passages are still needed."""
MOST_UNPAID = 1_000
"""Passages without stored answers in a row, after a limit is reached, that end the search for stored ones; a merge of n
array jobs may find only every n-th passage in the work log."""
SETTLED = 20
"""Number of passages after which the yield so far is a better estimate than `questions_per_call`."""


class Production:
    """One run over passages of one kind; belongs to one event loop."""

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
        self._queue: deque[asyncio.Task[PassageResults]] = deque()
        self._changed = asyncio.Event()
        self._open = self._begun = self._taken = self._unpaid = 0
        self._ended = False
        self._failure: BaseException | None = None

    async def run(self, passages: Iterator[Passage], deliver: Callable[[PassageResults], None]) -> None:
        """Deliver the results of each passage, until there are no more passages or `stop` is called.

        Raises:
            SpendingStopped: a limit is reached, and the passages with stored answers are delivered.
            In2Error: no further work is possible; passages in progress are finished first, and those before the one
                that failed are delivered.
        """
        try:
            while not (self._ended and not self._queue):
                self._begin(passages)
                while self._queue and self._queue[0].done():
                    self._deliver(self._queue.popleft(), deliver)
                if self._queue or not self._ended:
                    await self._changed.wait()
                    self._changed.clear()
        except RunStopped:
            pass
        finally:
            await asyncio.gather(*self._queue, return_exceptions=True)
        if self._failure:
            raise self._failure

    def _deliver(self, task: asyncio.Task[PassageResults], deliver: Callable[[PassageResults], None]) -> None:
        try:
            results = task.result()
        except SpendingStopped:
            self.take()
        else:
            deliver(results)

    def _begin(self, passages: Iterator[Passage]) -> None:
        while not self._ended and self._open < self._open_at_once and self._is_wanted():
            passage = next(passages, None)
            if passage is None:
                self._ended = True
                return
            task = asyncio.get_running_loop().create_task(self._work(passage))
            task.add_done_callback(self._note_done)
            self._queue.append(task)
            self._begun += 1
            self._open += 1

    def _note_done(self, task: asyncio.Task[PassageResults]) -> None:
        self._open -= 1
        failure = None if task.cancelled() else task.exception()
        self._unpaid = self._unpaid + 1 if isinstance(failure, SpendingStopped) else 0
        if failure and not isinstance(failure, RunStopped):
            self._failure = self._failure or failure
            if not 0 < self._unpaid < MOST_UNPAID:
                self.stop()
        self._changed.set()

    def _is_wanted(self) -> bool:
        """Return True when another passage is likely to be needed; unneeded requests would cost money."""
        waiting, missing = self._begun - self._taken, self._missing()
        if missing <= 0 or waiting >= self._window:
            return False
        if self._taken < SETTLED:
            questions_per_passage = float(self._per_passage)
        else:
            questions_per_passage = max((self._wanted - missing) / self._taken, LEAST_YIELD)
        return waiting == 0 or waiting * questions_per_passage < missing

    def bound(self) -> str:
        """Return why no more passages are in progress, if it is because few questions are missing; else empty."""
        if self._ended or self._open >= self._open_at_once or self._is_wanted():
            return ""
        return f"{self._open:,} passages in progress are enough for the {max(0, self._missing()):,} missing questions"

    def take(self, passages: int = 1) -> None:
        """Count passages whose results were taken."""
        self._taken += passages
        self._changed.set()

    def stop(self) -> None:
        """Start no more passages."""
        self._ended = True
        self._changed.set()

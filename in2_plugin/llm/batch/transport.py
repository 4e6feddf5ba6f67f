"""Requests through OpenAI's Batch interface: files of them, answered within a day at half the price.

Invariant: nothing is paid twice. A request that is in an open batch, of this run or an earlier one, waits for that
batch and is never sent again. RunStopped does not cancel a batch: it stays open in the work log, and the next run
collects it.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from in2_plugin.config import EndpointConfig
from in2_plugin.llm.batch.client import BatchClient
from in2_plugin.llm.batch.file import MAX_BYTES, MAX_REQUESTS, OutcomesByKey, split
from in2_plugin.llm.batch.job import BatchJobs, BatchProgress, BatchRejected
from in2_plugin.llm.coalescing import RequestCoalescer
from in2_plugin.llm.request import Completion, Request, RequestFailed, RunStopped
from in2_plugin.llm.work_log import BatchRecord, WorkLog

MAX_OPEN_BATCHES = 8
IDLE_SECONDS = 2.0
"""Seconds without a new request after which a batch goes out that is not full."""

T = TypeVar("T")


def random_token() -> str:
    """128 random bits."""
    return secrets.token_hex(16)


class BatchEndpoint:
    """A `Transport` over files of requests. Belongs to one event loop."""

    def __init__(
        self,
        config: EndpointConfig,
        log: WorkLog,
        *,
        idle_seconds: float = IDLE_SECONDS,
        first_wait: float = 1.0,
        max_bytes: int = MAX_BYTES,
        token: Callable[[], str] = random_token,
    ) -> None:
        """Prepare the connection, and note which batches of this endpoint the log holds open.

        `first_wait` is in seconds, after the first error in a row; `max_bytes` is of one file; `token` tells batches
        apart.

        Raises:
            MissingExtra: the SDK is not installed.
            ConfigError: the key is missing.
        """
        self._log, self._most_bytes = log, max_bytes
        self._calls = BatchClient(config, first_wait)
        self._work = BatchJobs(config, log, self._calls, token)
        self._taking_up: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[OutcomesByKey]] = set()
        self._batch_of: dict[bytes, asyncio.Task[OutcomesByKey]] = {}
        self._asked: dict[bytes, Request] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._stopped = False
        size = min(config.batch_requests, MAX_REQUESTS)
        self._coalescer = RequestCoalescer(
            self._answer_all, size=size, idle_seconds=idle_seconds, max_concurrent=MAX_OPEN_BATCHES
        )

    async def answer(self, request: Request) -> Completion:
        """See `Transport`. Takes up to a day; `stop` ends the wait at once, and the batch stays open."""
        await self._taken_up()
        # its batch may have ended since the caller looked into the log; nothing is awaited from here to the hand-over
        if found := self._log.get(request.key):
            return found
        if batch := self._batch_of.get(request.key):
            self._asked[request.key] = request
            outcome = (await self._until_done(batch)).get(request.key)
            if isinstance(outcome, RequestFailed):
                raise outcome
            if outcome:
                return outcome
        return await self._coalescer.answer(request)

    async def _taken_up(self) -> None:
        """Go on with the batches of earlier runs, once."""
        if self._taking_up is None:
            if not self._work.left_over:
                return
            self._taking_up = asyncio.get_running_loop().create_task(self._take_up())
        if not self._taking_up.done() or self._taking_up.exception():
            await self._until_done(self._taking_up)

    async def _take_up(self) -> None:
        for record in await self._work.found():
            self._watch(record.keys, self._collect(record))

    async def _collect(self, record: BatchRecord) -> OutcomesByKey:
        try:
            return await self._work.collect(record, self._asked)
        except BatchRejected:
            return {}  # nothing was computed: who asks is answered by a new batch

    async def _answer_all(self, requests: Sequence[Request]) -> list[Completion | RequestFailed]:
        """Answer a group: one batch, or several if it does not fit into one file."""
        self._asked.update({request.key: request for request in requests})
        batches = []
        for part in split(requests, self._most_bytes):
            keys = tuple(request.key for request in part)
            batches.append(self._watch(keys, self._work.complete(keys, self._asked)))
        outcomes: OutcomesByKey = {}
        for batch in batches:
            outcomes |= await self._until_done(batch)
        return [outcomes[request.key] for request in requests]

    def _watch(self, keys: Iterable[bytes], work: Coroutine[Any, Any, OutcomesByKey]) -> asyncio.Task[OutcomesByKey]:
        batch = asyncio.get_running_loop().create_task(work)
        self._batches.add(batch)
        self._batch_of.update(dict.fromkeys(keys, batch))
        batch.add_done_callback(partial(self._forget, keys))
        return batch

    def _forget(self, keys: Iterable[bytes], batch: asyncio.Task[OutcomesByKey]) -> None:
        self._batches.discard(batch)
        if batch.cancelled() or batch.exception():
            return  # whoever asks for one of its requests is told so, and nothing is sent again
        for key in keys:
            self._batch_of.pop(key, None)
            self._asked.pop(key, None)

    async def _until_done(self, work: asyncio.Task[T]) -> T:
        """What a task comes to, unless `stop` is called first."""
        if self._stopped:
            raise self._stopping()
        over = asyncio.get_running_loop().create_future()

        def end(_: object) -> None:
            if not over.done():
                over.set_result(None)

        # a callback and no asyncio.wait: that costs a search through all who wait for the same batch
        work.add_done_callback(end)
        self._waiting.add(over)
        try:
            await over
        finally:
            self._waiting.discard(over)
        if work.cancelled():
            raise self._stopping()
        return work.result()

    def _stopping(self) -> RunStopped:
        requests = self.progress.requests
        return RunStopped(f"stopping: {requests:,} requests stay in open batches; run again to collect their answers")

    def stop(self) -> None:
        """Hand over nothing more and wait for nothing: open batches are collected by whoever runs next."""
        self._stopped = True
        self._coalescer.stop()
        for over in self._waiting:
            if not over.done():
                over.set_exception(self._stopping())

    def resume(self) -> None:
        """Hand over again."""
        self._stopped = False
        self._coalescer.resume()

    @property
    def progress(self) -> BatchProgress:
        """All open batches together, as the server counts."""
        return self._work.progress

    def traffic(self) -> str:
        """Open batches, requests done in them, and what went wrong so far."""
        now, repeated = self.progress, self._calls.repeated.total()
        parts = (
            [f"open batches: {now.batches}, with {now.done:,} of {now.requests:,} requests done"] if now.batches else []
        )
        parts += [f"{now.failed:,} failed"] if now.failed else []
        parts += [f"{repeated:,} sent again"] if repeated else []
        return ", ".join(parts)

    async def close(self) -> None:
        """Close all connections. What is not collected by now stays open in the log."""
        self.stop()
        await self._coalescer.close()
        works: list[asyncio.Task[Any]] = [*self._batches]
        if self._taking_up:
            works.append(self._taking_up)
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        await self._calls.close()

"""Requests through the OpenAI Batch API: sent as files, answered within a day at half the price.

Invariant: nothing is paid for twice. A request in an open batch, of this run or an earlier one, waits for that batch
and is never sent again. Stopping does not cancel a batch: it stays open in the work log, and the next run collects it.
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
"""Seconds without a new request after which a batch that is not full is submitted."""

T = TypeVar("T")


def random_token() -> str:
    """Return 128 random bits in hex."""
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
        """Prepare the connection, and read which batches of this endpoint are open in the log.

        `first_wait` is the wait in seconds after a first error; `max_bytes` is the limit of one file; `token` returns
        a unique name per batch.

        Raises:
            MissingExtra: the SDK is not installed.
            ConfigError: the key is missing.
        """
        self._log, self._most_bytes = log, max_bytes
        self._client = BatchClient(config, first_wait)
        self._jobs = BatchJobs(config, log, self._client, token)
        self._resuming: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[OutcomesByKey]] = set()
        self._batch_of: dict[bytes, asyncio.Task[OutcomesByKey]] = {}
        self._asked: dict[bytes, Request] = {}
        self._waiters: set[asyncio.Future[None]] = set()
        self._stopped = False
        size = min(config.batch_requests, MAX_REQUESTS)
        self._coalescer = RequestCoalescer(
            self._answer_all, size=size, idle_seconds=idle_seconds, max_concurrent=MAX_OPEN_BATCHES
        )

    async def answer(self, request: Request) -> Completion:
        """See `Transport`. Takes up to a day; `stop` ends the wait at once, and the batch stays open."""
        await self._resume_left_over()
        # its batch may have ended since the caller read the log; no await from here until the coalescer has the request
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

    async def _resume_left_over(self) -> None:
        """Watch the batches of earlier runs, once."""
        if self._resuming is None:
            if not self._jobs.left_over:
                return
            self._resuming = asyncio.get_running_loop().create_task(self._watch_left_over())
        if not self._resuming.done() or self._resuming.exception():
            await self._until_done(self._resuming)

    async def _watch_left_over(self) -> None:
        for record in await self._jobs.find_left_over():
            self._watch(record.keys, self._collect(record))

    async def _collect(self, record: BatchRecord) -> OutcomesByKey:
        try:
            return await self._jobs.collect(record, self._asked)
        except BatchRejected:
            return {}  # nothing was computed: its requests go into a new batch

    async def _answer_all(self, requests: Sequence[Request]) -> list[Completion | RequestFailed]:
        """Answer a group with one batch, or with several if it does not fit into one file."""
        self._asked.update({request.key: request for request in requests})
        batches = []
        for part in split(requests, self._most_bytes):
            keys = tuple(request.key for request in part)
            batches.append(self._watch(keys, self._jobs.run(keys, self._asked)))
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
            return  # its requests fail with the same error, and nothing is sent again
        for key in keys:
            self._batch_of.pop(key, None)
            self._asked.pop(key, None)

    async def _until_done(self, work: asyncio.Task[T]) -> T:
        """Wait for a task and return its result, unless `stop` is called first."""
        if self._stopped:
            raise self._stopping()
        ended = asyncio.get_running_loop().create_future()

        def end(_: object) -> None:
            if not ended.done():
                ended.set_result(None)

        # a callback instead of asyncio.wait, which searches all waiters of the same batch
        work.add_done_callback(end)
        self._waiters.add(ended)
        try:
            await ended
        finally:
            self._waiters.discard(ended)
        if work.cancelled():
            raise self._stopping()
        return work.result()

    def _stopping(self) -> RunStopped:
        requests = self.progress.requests
        return RunStopped(f"stopping: {requests:,} requests stay in open batches; run again to collect their answers")

    def stop(self) -> None:
        """Submit no more batches, and stop waiting: the next run collects the open ones."""
        self._stopped = True
        self._coalescer.stop()
        for ended in self._waiters:
            if not ended.done():
                ended.set_exception(self._stopping())

    def resume(self) -> None:
        """Submit batches again."""
        self._stopped = False
        self._coalescer.resume()

    @property
    def progress(self) -> BatchProgress:
        """Return the server's counts over all open batches."""
        return self._jobs.progress

    def traffic(self) -> str:
        """Describe the open batches, their finished requests, and the failures so far."""
        now, retried = self.progress, self._client.retried.total()
        parts = (
            [f"open batches: {now.batches}, with {now.done:,} of {now.requests:,} requests done"] if now.batches else []
        )
        parts += [f"{now.failed:,} failed"] if now.failed else []
        parts += [f"{retried:,} retried"] if retried else []
        return ", ".join(parts)

    async def close(self) -> None:
        """Close all connections. Batches that are not collected yet stay open in the log."""
        self.stop()
        await self._coalescer.close()
        tasks: list[asyncio.Task[Any]] = [*self._batches]
        if self._resuming:
            tasks.append(self._resuming)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

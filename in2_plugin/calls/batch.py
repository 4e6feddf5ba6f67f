"""Requests through OpenAI's Batch interface: files of them, answered within a day at half the price.

Invariant: nothing is paid twice. A batch is in the work log before it is uploaded, and open there until all its answers
are; the next run takes up every open batch instead of asking its requests again. Of a batch that was never created
nothing was computed, so its requests are asked anew. Cost: one look every `poll_seconds` a batch, and one file in
memory while it is uploaded or read.
"""

import asyncio
import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from in2_plugin.calls.batch_calls import BatchCalls
from in2_plugin.calls.batch_file import (
    MOST_BYTES,
    MOST_REQUESTS,
    Lines,
    Outcomes,
    Unanswered,
    fill,
    line_of,
    read,
    split,
)
from in2_plugin.calls.endpoint import LEAST_REMEMBERED
from in2_plugin.calls.gathering import Gathering
from in2_plugin.calls.request import Answer, CallFailed, Request, Stopping
from in2_plugin.calls.troubles import one_line
from in2_plugin.calls.work_log import WorkLog
from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError

if TYPE_CHECKING:
    from openai.types import Batch

OPEN_AT_ONCE = 8
QUIET = 2.0
"""Seconds without a new request after which a batch goes out that is not full."""
DOWNLOADS = 3
"""Times a file is downloaded that holds broken lines, before those count as missing."""
ENDED = {"completed", "failed", "expired", "cancelled"}

T = TypeVar("T")


@dataclass(frozen=True)
class Unasked(Request):
    """Stands for a request of an earlier run that nobody in this run has asked yet: its key is all that is known."""

    known: bytes = b""

    @cached_property
    def key(self) -> bytes:
        """The key it was asked under."""
        return self.known


@dataclass(slots=True)
class Progress:
    """Batches that are open, and what the server says about the requests in them."""

    batches: int = 0
    requests: int = 0
    done: int = 0
    failed: int = 0


class QueueFull(Exception):
    """The account may not have more tokens in open batches; nothing of this batch was computed."""


class BatchEndpoint:
    """A `Transport` over files of requests."""

    def __init__(
        self,
        config: EndpointConfig,
        log: WorkLog,
        *,
        quiet: float = QUIET,
        first_wait: float = 1.0,
        most_bytes: int = MOST_BYTES,
        token: Callable[[], str] = partial(secrets.token_hex, 16),
    ) -> None:
        """Prepare the connection, and note which batches of this endpoint the log holds open.

        `first_wait` is the wait in seconds after the first trouble in a row; `token` tells batches apart.

        Raises:
            MissingExtra: the SDK is not installed.
            ConfigError: the key is missing.
        """
        self._config, self._log, self._token, self._most_bytes = config, log, token, most_bytes
        self._calls = BatchCalls(config, first_wait)
        # in the name of each batch: another endpoint with the same log, a judge's for example, must not take it up
        self._owner = hashlib.sha256(f"{config.base_url.rstrip('/')}\n{config.model}".encode()).hexdigest()[:16]
        self._left_over = {r.digest for r in log.open_batches() if r.digest.startswith(f"{self._owner}-")}
        self._taking_up: asyncio.Task[None] | None = None
        self._batch_of: dict[bytes, asyncio.Task[Outcomes]] = {}
        self._asked: dict[bytes, Request] = {}
        self._batches: set[asyncio.Task[Outcomes]] = set()
        self._open: dict[str, tuple[asyncio.Task[Any], Progress]] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._stopped = False
        size = min(config.batch_requests, MOST_REQUESTS)
        self._gathering = Gathering(self._answer_all, size=size, quiet=quiet, at_once=OPEN_AT_ONCE)

    async def answer(self, request: Request) -> Answer:
        """See `Transport`. Takes up to a day; `stop` ends the wait at once, and the batch stays open."""
        if self._left_over:
            if self._taking_up is None:
                self._taking_up = asyncio.get_running_loop().create_task(self._take_up())
            await self._until_done(self._taking_up)
        # again, because its batch may have ended since the caller looked; nothing is awaited from here to the hand-over
        if found := self._log.get(request.key):
            return found
        batch = self._batch_of.get(request.key)
        if batch is None:
            return await self._gathering.answer(request)
        self._asked[request.key] = request
        outcome = (await self._until_done(batch))[request.key]
        if isinstance(outcome, CallFailed):
            raise outcome
        return outcome

    async def _take_up(self) -> None:
        """Go on with the batches of earlier runs."""
        records = [record for record in self._log.open_batches() if record.digest in self._left_over]
        nameless = {record.digest for record in records if record.id is None}
        found = await self._calls.find(nameless) if nameless else {}
        for record in records:
            batch = record.id or found.get(record.digest)
            if batch is None:
                self._log.end_batch(record.digest, "lost")
                continue
            if record.id is None:
                self._log.name_batch(record.digest, batch)
            self._watch(record.keys, self._collect(record.digest, batch, record.keys))
        self._left_over = set()

    def _watch(self, keys: Iterable[bytes], work: Coroutine[Any, Any, Outcomes]) -> asyncio.Task[Outcomes]:
        batch = asyncio.get_running_loop().create_task(work)
        self._batches.add(batch)
        self._batch_of.update(dict.fromkeys(keys, batch))
        batch.add_done_callback(self._forget)
        return batch

    def _forget(self, batch: asyncio.Task[Outcomes]) -> None:
        self._batches.discard(batch)
        if batch.cancelled() or batch.exception():
            return  # whoever asks for one of its requests is told so, and nothing is sent again
        for key in batch.result():
            self._batch_of.pop(key, None)
            self._asked.pop(key, None)

    async def _until_done(self, work: asyncio.Task[T]) -> T:
        """What a task comes to, unless `stop` is called first."""
        if self._stopped:
            raise self._stopping()
        over = asyncio.get_running_loop().create_future()
        self._waiting.add(over)
        work.add_done_callback(lambda _: over.done() or over.set_result(None))
        try:
            await over
        finally:
            self._waiting.discard(over)
        if work.cancelled():
            raise self._stopping()
        return work.result()

    async def _answer_all(self, requests: Sequence[Request]) -> list[Answer | CallFailed]:
        """Answer a group: one batch, or several if it does not fit into one file."""
        batches = [
            self._watch([request.key for request in part], self._complete(part))
            for part in split(requests, self._most_bytes)
        ]
        outcomes: Outcomes = {}
        for batch in batches:
            outcomes |= await self._until_done(batch)
        return [outcomes[request.key] for request in requests]

    async def _complete(self, requests: Sequence[Request]) -> Outcomes:
        """Hand a batch over and collect its answers, when the account's queue has room for it."""
        keys = tuple(request.key for request in requests)
        self._asked.update(zip(keys, requests, strict=True))
        while True:
            digest, batch = await self._hand_over(keys, requests)
            try:
                return await self._collect(digest, batch, keys)
            except QueueFull as full:
                others = [task for task, _ in self._open.values()]
                if not others:
                    raise EndpointError(
                        f"{self._config.base_url}: has no room for a batch of {len(keys):,} requests ({full}); lower "
                        "`batch_requests`"
                    ) from None
            await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)

    async def _hand_over(self, keys: tuple[bytes, ...], requests: Iterable[Request]) -> tuple[str, str]:
        # a name of its own each time: the same requests may be in an older batch that ended without answers
        digest = f"{self._owner}-{self._token()}"
        self._log.begin_batch(digest, keys)
        try:
            file = await self._calls.upload(f"in2-{digest}", b"".join(map(line_of, requests)))
        except EndpointError:
            self._log.end_batch(digest, "lost")
            raise
        batch = await self._calls.create(file, digest)
        self._log.name_batch(digest, batch)
        return digest, batch

    async def _collect(self, digest: str, batch: str, keys: tuple[bytes, ...]) -> Outcomes:
        """Wait for a batch to end and store its answers."""
        ended = await self._ended(digest, batch, len(keys))
        if ended.status == "failed":
            self._log.end_batch(digest, "failed")
            raise self._turned_down(ended)
        outcomes = await self._outcomes(ended, keys)
        answers = [(self._request(key), outcome) for key, outcome in outcomes.items() if isinstance(outcome, Answer)]
        await asyncio.gather(*(self._log.put(request, answer) for request, answer in answers))
        self._log.end_batch(digest, ended.status)
        self._require_few_failures(outcomes)
        return outcomes

    async def _ended(self, digest: str, batch: str, requests: int) -> "Batch":
        task = asyncio.current_task()
        assert task
        progress = Progress(1, requests)
        self._open[digest] = task, progress
        try:
            while True:
                seen = await self._calls.retrieve(batch)
                if counts := seen.request_counts:
                    progress.done, progress.failed = counts.completed, counts.failed
                if seen.status in ENDED:
                    return seen
                await asyncio.sleep(self._config.poll_seconds)
        finally:
            del self._open[digest]

    async def _outcomes(self, ended: "Batch", keys: tuple[bytes, ...]) -> Outcomes:
        lines = Lines()
        for _ in range(DOWNLOADS):
            # the output first, so that an answer there comes before a failure
            names = [name for name in (ended.output_file_id, ended.error_file_id) if name]
            files = [await self._calls.download(name, ended.id) for name in names]
            lines = await asyncio.to_thread(read, files, keys, self._calls.key)
            if not lines.broken:
                break
        fill(lines.outcomes, keys, ended.status)
        return lines.outcomes

    def _request(self, key: bytes) -> Request:
        return self._asked.get(key) or Unasked("", self._config.model, {}, "batch", known=key)

    def _turned_down(self, batch: "Batch") -> Exception:
        """The error for a batch that the server found invalid; nothing of it was computed."""
        first = next(iter((batch.errors and batch.errors.data) or []), None)
        said = one_line(str((first and first.message) or "no reason given"), self._calls.key)
        if first and first.code == "token_limit_exceeded":
            return QueueFull(said)
        return EndpointError(
            f"{self._config.base_url}: turned down batch {batch.id} as a whole ({said}); nothing of it was computed. "
            "Correct `questions.endpoint` and run again"
        )

    def _require_few_failures(self, outcomes: Outcomes) -> None:
        """End the run when too many requests were refused; those that had no turn do not count."""
        failures = [outcome for outcome in outcomes.values() if isinstance(outcome, CallFailed)]
        reasons = Counter(str(failure) for failure in failures if not isinstance(failure, Unanswered))
        failed, of = reasons.total(), len(outcomes)
        if of >= LEAST_REMEMBERED and failed > self._config.max_error_rate * of:
            often = "; ".join(f"{reason} ({count:,} times)" for reason, count in reasons.most_common(3))
            raise EndpointError(
                f"{self._config.base_url}: {failed:,} of the {of:,} requests of a batch failed, most often: {often}. The "
                "answers are kept; see to the endpoint, then run again"
            )

    def _stopping(self) -> Stopping:
        open_now = self.progress
        return Stopping(
            f"stopping: {open_now.batches} batches with {open_now.requests:,} requests stay open; the next run collects "
            "their answers"
        )

    def stop(self) -> None:
        """Hand over nothing more, and wait for nothing: open batches are collected by whoever runs next."""
        self._stopped = True
        self._gathering.stop()
        for over in self._waiting:
            if not over.done():
                over.set_exception(self._stopping())

    def resume(self) -> None:
        """Hand over again."""
        self._stopped = False
        self._gathering.resume()

    @property
    def progress(self) -> Progress:
        """All open batches together."""
        each = [progress for _, progress in self._open.values()]
        requests, done, failed = (sum(getattr(p, name) for p in each) for name in ("requests", "done", "failed"))
        return Progress(len(each), requests, done, failed)

    def traffic(self) -> str:
        """Open batches, requests done in them, and what went wrong so far."""
        now, repeated = self.progress, self._calls.repeated.total()
        parts = [f"{now.batches} batches open, {now.done:,} of {now.requests:,} requests done"] if now.batches else []
        parts += [f"{now.failed:,} failed"] if now.failed else []
        parts += [f"{repeated:,} calls repeated"] if repeated else []
        return ", ".join(parts)

    async def close(self) -> None:
        """Close all connections. What is not collected by now stays open in the log."""
        self.stop()
        await self._gathering.close()
        works = [*self._batches, *([self._taking_up] if self._taking_up else [])]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        await self._calls.close()

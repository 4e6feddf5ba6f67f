"""One batch from its file to its answers in the work log.

Invariant: a batch is in the work log before it is uploaded, and open there until all its answers are. So a kill at any
moment leaves it to be taken up by name, or, if it was never created, forgotten: nothing of it was computed then. Cost:
one look every `poll_seconds`, and one file in memory while it is uploaded or read.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.batch.client import BatchClient
from in2_plugin.llm.batch.file import Lines, OutcomesByKey, RequestNotRun, fill, read, request_line
from in2_plugin.llm.endpoint.error_rate import MIN_OUTCOMES
from in2_plugin.llm.endpoint.errors import without_key
from in2_plugin.llm.request import Completion, Request, RequestFailed
from in2_plugin.llm.work_log import BatchRecord, WorkLog

if TYPE_CHECKING:
    from openai.types import Batch

MAX_DOWNLOADS = 3
"""Times a file is downloaded that has broken lines, or fewer than the server counts, before the rest is missing."""
ENDED = {"completed", "failed", "expired", "cancelled"}


@dataclass(frozen=True)
class KeyOnlyRequest(Request):
    """Stands for a request of an earlier run that nobody in this run has asked yet: its key is all that is known."""

    known: bytes = b""

    @cached_property
    def key(self) -> bytes:
        """The key it was asked under."""
        return self.known


@dataclass(slots=True)
class BatchProgress:
    """Batches that are open, and what the server says about the requests in them."""

    batches: int = 0
    requests: int = 0
    done: int = 0
    failed: int = 0


@dataclass
class BatchRejected(Exception):
    """The server found a batch invalid as a whole; nothing of it was computed."""

    batch: str
    reason: str
    is_queue_full: bool
    """The account has too many tokens in open batches."""


class BatchJobs:
    """Hands batches over and collects them. Belongs to one event loop."""

    def __init__(self, config: EndpointConfig, log: WorkLog, calls: BatchClient, token: Callable[[], str]) -> None:
        """Note which batches of this endpoint the log holds open; `token` tells batches apart."""
        self._config, self._log, self._calls, self._token = config, log, calls, token
        # in the name of each batch: another endpoint with the same log, a judge's for example, must not take it up
        self._owner = hashlib.sha256(f"{config.address.rstrip('/')}\n{config.model}".encode()).hexdigest()[:16]
        self.left_over = {r.digest for r in log.open_batches() if r.digest.startswith(f"{self._owner}-")}
        """Names of the batches that earlier runs left open."""
        self._open: dict[str, tuple[asyncio.Task[Any], BatchProgress]] = {}

    async def found(self) -> list[BatchRecord]:
        """The batches that earlier runs left open and that the server has; the others are marked as lost.

        Raises:
            EndpointError: the server cannot be asked.
        """
        records = [record for record in self._log.open_batches() if record.digest in self.left_over]
        nameless = {record.digest for record in records if record.id is None}
        ids = await self._calls.find(nameless) if nameless else {}
        for digest in nameless:
            if digest in ids:
                self._log.name_batch(digest, ids[digest])
            else:
                self._log.end_batch(digest, "lost")
        records = [record if record.id else replace(record, id=ids.get(record.digest)) for record in records]
        return [record for record in records if record.id]

    async def complete(self, keys: tuple[bytes, ...], requests: Mapping[bytes, Request]) -> OutcomesByKey:
        """Hand a batch over, when the account's queue has room for it, and collect it; may take a day.

        Raises:
            EndpointError: the server turned it down, cannot be asked any more, or refused too many requests.
            WorkLogError: the answers could not be stored.
        """
        while True:
            record = await self._hand_over(keys, [requests[key] for key in keys])
            try:
                return await self.collect(record, requests)
            except BatchRejected as no:
                others = [task for task, _ in self._open.values()]
                if not (no.is_queue_full and others):
                    raise EndpointError(self._turned_down(no, len(keys))) from None
            await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)

    async def _hand_over(self, keys: tuple[bytes, ...], requests: Sequence[Request]) -> BatchRecord:
        # a name of its own each time: the same requests may be in an older batch that ended without answers
        digest = f"{self._owner}-{self._token()}"
        self._log.begin_batch(digest, keys)
        try:
            file = await self._calls.upload(f"in2-{digest}", b"".join(map(request_line, requests)))
        except EndpointError:
            self._log.end_batch(digest, "lost")
            raise
        batch = await self._calls.create(file, digest)
        self._log.name_batch(digest, batch)
        return BatchRecord(digest, batch, "open", keys)

    async def collect(self, record: BatchRecord, asked: Mapping[bytes, Request]) -> OutcomesByKey:
        """Wait for a batch to end and store all its answers, also those nobody `asked` for in this run: they are paid.

        Raises:
            BatchRejected: nothing of it was computed.
            EndpointError: the server cannot be asked any more, or refused too many requests.
            WorkLogError: the answers could not be stored.
        """
        ended = await self._ended(record)
        if ended.status == "failed":
            self._log.end_batch(record.digest, "failed")
            raise self._reason(ended)
        outcomes = await self._outcomes(ended, record.keys)
        await self._store(outcomes, asked)
        self._log.end_batch(record.digest, ended.status)
        self._require_few_failures(outcomes)
        return outcomes

    async def _ended(self, record: BatchRecord) -> "Batch":
        task = asyncio.current_task()
        assert task and record.id
        progress = BatchProgress(1, len(record.keys))
        self._open[record.digest] = task, progress
        try:
            while True:
                seen = await self._calls.retrieve(record.id)
                if counts := seen.request_counts:
                    progress.done, progress.failed = counts.completed, counts.failed
                if seen.status in ENDED:
                    return seen
                await asyncio.sleep(self._config.poll_seconds)
        finally:
            del self._open[record.digest]

    async def _outcomes(self, ended: "Batch", keys: tuple[bytes, ...]) -> OutcomesByKey:
        counts = ended.request_counts
        least = counts.completed + counts.failed if counts else 0
        for download in range(MAX_DOWNLOADS):
            if download:
                await asyncio.sleep(self._config.poll_seconds)
            lines = await self._lines(ended, keys)
            if not lines.broken and len(lines.outcomes) >= least:
                break
        fill(lines.outcomes, keys, ended.status)
        return lines.outcomes

    async def _lines(self, ended: "Batch", keys: tuple[bytes, ...]) -> Lines:
        names = [name for name in (ended.output_file_id, ended.error_file_id) if name]
        files = [await self._calls.download(name, ended.id) for name in names]
        return await asyncio.to_thread(read, files, keys, self._calls.key)

    async def _store(self, outcomes: OutcomesByKey, asked: Mapping[bytes, Request]) -> None:
        model = self._config.model
        answers = [
            (asked.get(key) or KeyOnlyRequest("", model, {}, "batch", known=key), outcome)
            for key, outcome in outcomes.items()
            if isinstance(outcome, Completion)
        ]
        await asyncio.gather(*(self._log.put(request, answer) for request, answer in answers))

    def _reason(self, batch: "Batch") -> BatchRejected:
        first = next(iter((batch.errors and batch.errors.data) or []), None)
        said = without_key(str((first and first.message) or "no reason given"), self._calls.key)
        return BatchRejected(batch.id, said, bool(first and first.code == "token_limit_exceeded"))

    def _turned_down(self, no: BatchRejected, requests: int) -> str:
        url = self._config.base_url
        if no.is_queue_full:
            return f"{url}: has no room for a batch of {requests:,} requests ({no.reason}); lower `batch_requests`"
        return (
            f"{url}: turned down batch {no.batch} as a whole ({no.reason}); nothing of it was computed. Correct "
            "`questions.endpoint` and run again"
        )

    def _require_few_failures(self, outcomes: OutcomesByKey) -> None:
        """End the run when too many requests were refused; those that had no turn do not count."""
        failures = [outcome for outcome in outcomes.values() if isinstance(outcome, RequestFailed)]
        reasons = Counter(str(failure) for failure in failures if not isinstance(failure, RequestNotRun))
        failed, of = reasons.total(), len(outcomes)
        if of >= MIN_OUTCOMES and failed > self._config.max_error_rate * of:
            often = "; ".join(f"{reason} ({count:,} times)" for reason, count in reasons.most_common(3))
            raise EndpointError(
                f"{self._config.base_url}: {failed:,} of the {of:,} requests of a batch failed, most often: {often}. "
                "Answers so far are kept; see to the endpoint, then run again"
            )

    @property
    def progress(self) -> BatchProgress:
        """All open batches together."""
        each = [progress for _, progress in self._open.values()]
        requests, done, failed = (sum(getattr(p, name) for p in each) for name in ("requests", "done", "failed"))
        return BatchProgress(len(each), requests, done, failed)

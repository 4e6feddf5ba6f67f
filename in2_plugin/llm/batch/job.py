"""Batch jobs, from the upload of the requests to their answers in the work log.

Invariant: a batch is in the work log before it is uploaded, and stays open there until all its answers are stored.
After a kill at any moment, the next run finds it by name, or drops it if it was never created: then nothing of it was
computed. Cost: one poll every `poll_seconds`, and one file in memory while it is uploaded or parsed.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.batch.client import BatchClient, BatchState
from in2_plugin.llm.batch.file import BatchOutput, OutcomesByKey, RequestNotRun, fill_missing, read, request_line
from in2_plugin.llm.endpoint.error_rate import MIN_OUTCOMES
from in2_plugin.llm.endpoint.errors import without_key
from in2_plugin.llm.request import BATCH_PURPOSE, Completion, Request, RequestFailed
from in2_plugin.llm.usage import with_known_usage
from in2_plugin.llm.work_log import BatchRecord, WorkLog

MAX_DOWNLOADS = 3
"""Downloads of a file with broken or missing lines before those requests count as not run."""
ENDED = {"completed", "failed", "expired", "cancelled"}


@dataclass(frozen=True)
class KeyOnlyRequest(Request):
    """A request of an earlier run that this run has not made yet: only its key is known."""

    known: bytes = b""

    @cached_property
    def key(self) -> bytes:
        """Return the key under which it was sent."""
        return self.known


@dataclass(slots=True)
class BatchProgress:
    """Number of open batches, and the server's counts of the requests in them."""

    batches: int = 0
    requests: int = 0
    done: int = 0
    failed: int = 0


@dataclass
class BatchRejected(Exception):
    """The server rejected a batch as a whole; nothing of it was computed."""

    batch: str
    reason: str
    is_queue_full: bool
    """The account's limit on tokens in open batches is reached."""


class BatchJobs:
    """Submits batches and collects their answers. Belongs to one event loop."""

    def __init__(self, config: EndpointConfig, log: WorkLog, client: BatchClient, token: Callable[[], str]) -> None:
        """Read which batches of this endpoint are open in the log; `token` returns a unique name per batch."""
        self._config, self._log, self._client, self._token = config, log, client, token
        # part of each batch's name: another endpoint with the same log, such as a judge's, must not collect it
        self._owner = hashlib.sha256(f"{config.address.rstrip('/')}\n{config.model}".encode()).hexdigest()[:16]
        self.left_over = {r.digest for r in log.open_batches() if r.digest.startswith(f"{self._owner}-")}
        """Names of the batches that earlier runs left open."""
        self._open: dict[str, tuple[asyncio.Task[Any], BatchProgress]] = {}

    async def find_left_over(self) -> list[BatchRecord]:
        """Return the left-over batches that the server has; mark the others as lost.

        Raises:
            EndpointError: the server does not answer.
        """
        records = [record for record in self._log.open_batches() if record.digest in self.left_over]
        without_id = {record.digest for record in records if record.id is None}
        ids = await self._client.find(without_id) if without_id else {}
        for digest in without_id:
            if digest in ids:
                self._log.name_batch(digest, ids[digest])
            else:
                self._log.end_batch(digest, "lost")
        records = [record if record.id else replace(record, id=ids.get(record.digest)) for record in records]
        return [record for record in records if record.id]

    async def run(self, keys: tuple[bytes, ...], requests: Mapping[bytes, Request]) -> OutcomesByKey:
        """Submit a batch, once the account's queue has room for it, and collect it; may take a day.

        Raises:
            EndpointError: the server rejected it, no longer answers, or rejected too many requests.
            WorkLogError: the answers could not be stored.
        """
        while True:
            record = await self._submit(keys, [requests[key] for key in keys])
            try:
                return await self.collect(record, requests)
            except BatchRejected as rejection:
                others = [task for task, _ in self._open.values()]
                if not (rejection.is_queue_full and others):
                    raise EndpointError(self._rejection_message(rejection, len(keys))) from None
            await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)

    async def _submit(self, keys: tuple[bytes, ...], requests: Sequence[Request]) -> BatchRecord:
        # a new name each time: an older batch with the same requests may have ended without answers
        digest = f"{self._owner}-{self._token()}"
        self._log.begin_batch(digest, keys)
        try:
            file = await self._client.upload(f"in2-{digest}", b"".join(map(request_line, requests)))
        except EndpointError:
            self._log.end_batch(digest, "lost")
            raise
        batch = await self._client.create(file, digest)
        self._log.name_batch(digest, batch)
        return BatchRecord(digest, batch, "open", keys)

    async def collect(self, record: BatchRecord, asked: Mapping[bytes, Request]) -> OutcomesByKey:
        """Wait for a batch to end and store all its answers, also those not `asked` for in this run: they are paid for.

        Raises:
            BatchRejected: nothing of it was computed.
            EndpointError: the server no longer answers, or rejected too many requests.
            WorkLogError: the answers could not be stored.
        """
        ended = await self._wait_for_end(record)
        if ended.status == "failed":
            self._log.end_batch(record.digest, "failed")
            raise self._rejection(ended)
        outcomes = await self._outcomes(ended, record.keys)
        await self._store(outcomes, asked)
        self._log.end_batch(record.digest, ended.status)
        self._require_few_failures(outcomes)
        return outcomes

    async def _wait_for_end(self, record: BatchRecord) -> BatchState:
        task = asyncio.current_task()
        assert task and record.id
        progress = BatchProgress(1, len(record.keys))
        self._open[record.digest] = task, progress
        try:
            while True:
                state = await self._client.retrieve(record.id)
                progress.done, progress.failed = state.completed, state.failed
                if state.status in ENDED:
                    return state
                await asyncio.sleep(self._config.poll_seconds)
        finally:
            del self._open[record.digest]

    async def _outcomes(self, ended: BatchState, keys: tuple[bytes, ...]) -> OutcomesByKey:
        expected = ended.completed + ended.failed
        for download in range(MAX_DOWNLOADS):
            if download:
                await asyncio.sleep(self._config.poll_seconds)
            output = await self._download(ended, keys)
            if not output.broken and len(output.outcomes) >= expected:
                break
        fill_missing(output.outcomes, keys, ended.status)
        return output.outcomes

    async def _download(self, ended: BatchState, keys: tuple[bytes, ...]) -> BatchOutput:
        files = [await self._client.download(name, ended.id) for name in ended.files]
        return await asyncio.to_thread(read, files, keys, self._client.key)

    async def _store(self, outcomes: OutcomesByKey, asked: Mapping[bytes, Request]) -> None:
        model = self._config.model
        answers = [
            (asked.get(key) or KeyOnlyRequest("", model, {}, BATCH_PURPOSE, known=key), outcome)
            for key, outcome in outcomes.items()
            if isinstance(outcome, Completion)
        ]
        puts = (self._log.put(request, with_known_usage(request, answer)) for request, answer in answers)
        await asyncio.gather(*puts)

    def _rejection(self, batch: BatchState) -> BatchRejected:
        reason = without_key(batch.error or "no reason given", self._client.key)
        return BatchRejected(batch.id, reason, batch.error_code == "token_limit_exceeded")

    def _rejection_message(self, rejection: BatchRejected, requests: int) -> str:
        url = self._config.base_url
        if rejection.is_queue_full:
            return (
                f"{url}: has no room for a batch of {requests:,} requests ({rejection.reason}); lower `batch_requests`"
            )
        return (
            f"{url}: rejected batch {rejection.batch} as a whole ({rejection.reason}); nothing of it was computed. "
            "Correct `questions.endpoint` and run again"
        )

    def _require_few_failures(self, outcomes: OutcomesByKey) -> None:
        """Check the error rate of a batch; requests that were not run do not count."""
        failures = [outcome for outcome in outcomes.values() if isinstance(outcome, RequestFailed)]
        reasons = Counter(str(failure) for failure in failures if not isinstance(failure, RequestNotRun))
        failed, total = reasons.total(), len(outcomes)
        if total >= MIN_OUTCOMES and failed > self._config.max_error_rate * total:
            often = "; ".join(f"{reason} ({count:,} times)" for reason, count in reasons.most_common(3))
            raise EndpointError(
                f"{self._config.base_url}: {failed:,} of the {total:,} requests of a batch failed, most often: {often}"
                ". Answers so far are kept; check the endpoint, then run again"
            )

    @property
    def progress(self) -> BatchProgress:
        """Return the sum over all open batches."""
        each = [progress for _, progress in self._open.values()]
        requests, done, failed = (sum(getattr(p, name) for p in each) for name in ("requests", "done", "failed"))
        return BatchProgress(len(each), requests, done, failed)

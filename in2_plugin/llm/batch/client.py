"""A client of the Batch API: upload, create, find, retrieve and download, with retries.

Invariant: a batch is created once. A `create` whose response was lost may have worked, so the batch is looked up by its
metadata before the retry. Waits double from `first_wait` up to ten minutes. Uploading and creating give up after
`attempts`; retrieving and downloading are retried for more than a day, because their answers are already paid for.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.batch.file import MAX_REQUESTS, URL
from in2_plugin.llm.endpoint.client import FIRST_ATTEMPTS, make_client
from in2_plugin.llm.endpoint.errors import RateLimited, RetryableError, error_for_status, without_key
from in2_plugin.llm.request import RequestFailed

MAX_WAIT = 600.0
PATIENT_ATTEMPTS = 200
"""Attempts at calls that must not give up: 33 hours of consecutive errors, and a batch takes 24 hours at most."""
NOT_SUPPORTED = {404, 405, 501}
METADATA = "in2"
"""Metadata key under which a batch stores our name for it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchState:
    """The server's description of a batch."""

    id: str
    status: str
    completed: int = 0
    failed: int = 0
    """Requests with an answer, and with an error."""
    files: tuple[str, ...] = ()
    """Ids of the files with answers and with errors."""
    error: str = ""
    error_code: str = ""
    """The first error of a batch that was rejected as a whole."""
    name: str | None = None
    """The name that we gave it; None for the batches of other programs."""


def parse_batch(found: object) -> BatchState:
    """Parse the JSON of a batch; parts that are missing or of another type count as absent.

    Raises:
        ValueError: it has no id or no status.
    """
    fields = _mapping(found)
    counts, errors = _mapping(fields.get("request_counts")), _mapping(fields.get("errors")).get("data")
    error = _mapping(errors[0]) if isinstance(errors, list) and errors else {}
    names = fields.get("output_file_id"), fields.get("error_file_id")
    name = _mapping(fields.get("metadata")).get(METADATA)
    return BatchState(
        id=_text(fields, "id"),
        status=_text(fields, "status"),
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        files=tuple(name for name in names if name and isinstance(name, str)),
        error=str(error.get("message") or ""),
        error_code=str(error.get("code") or ""),
        name=name if isinstance(name, str) else None,
    )


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _count(found: object) -> int:
    return found if isinstance(found, int) and 0 <= found <= MAX_REQUESTS else 0


def _text(found: object, name: str) -> str:
    value = _mapping(found).get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"no {name}")
    return value


class BatchClient:
    """The Batch API of one endpoint. Each call raises EndpointError when retries are exhausted or useless."""

    def __init__(self, config: EndpointConfig, first_wait: float) -> None:
        """Prepare the connection.

        Raises:
            MissingExtra: the SDK is not installed.
            ConfigError: the key is missing.
        """
        self._config, self._first_wait = config, first_wait
        self._client, self.key = make_client(config)
        self._has_responded = False
        self.retried: Counter[str] = Counter()
        """Number of retries, by reason."""

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a file of requests; return its id."""

        async def call() -> str:
            file = (f"{name}.jsonl", content, "application/jsonl")
            created = await self._client.files.with_raw_response.create(file=file, purpose="batch")
            return _text(created.http_response.json(), "id")

        return await self._retry(call, self._config.attempts, self._not_supported)

    async def create(self, file: str, name: str) -> str:
        """Create a batch from an uploaded file, under a name of ours; return its id."""

        async def call() -> str:
            created = await self._client.batches.with_raw_response.create(
                completion_window="24h", endpoint=URL, input_file_id=file, metadata={METADATA: name}
            )
            return _text(created.http_response.json(), "id")

        async def call_unless_created() -> str:
            return (await self.find({name})).get(name) or await call()

        try:
            return await self._attempt(call, self._not_supported)
        except (RetryableError, RateLimited) as error:
            await self._wait_before_retry(error, 1, self._config.attempts)
        return await self._retry(call_unless_created, self._config.attempts, self._not_supported)

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Return the ids of the batches with these names that the server has."""

        async def call() -> dict[str, str]:
            found: dict[str, str] = {}
            after: str | None = None
            while len(found) < len(names):
                page, last = await self._page(after)
                found |= {batch.name: batch.id for batch in page if batch.name and batch.name in names}
                if last is None or last == after:
                    break
                after = last
            return found

        return await self._retry(call, self._config.attempts, self._not_supported)

    async def _page(self, after: str | None) -> tuple[list[BatchState], str | None]:
        """Return one page of the list of batches, and the id after which the next one starts."""
        query = {"limit": 100, **({"after": after} if after else {})}
        content = await self._client.get("/batches", cast_to=object, options={"params": query})
        listed = _mapping(content).get("data")
        if not isinstance(listed, list):
            raise ValueError("not a list of batches")
        page = []
        for batch in listed:
            with suppress(ValueError):  # another program's, and in another form
                page.append(parse_batch(batch))
        return page, page[-1].id if page and _mapping(content).get("has_more") is True else None

    async def retrieve(self, batch: str) -> BatchState:
        """Return the state of a batch."""

        async def call() -> BatchState:
            return parse_batch(await self._client.get(f"/batches/{quote(batch, safe='')}", cast_to=object))

        return await self._retry(call, PATIENT_ATTEMPTS, lambda status: self._not_found(f"batch {batch}", status))

    async def download(self, file: str, batch: str) -> bytes:
        """Return the content of a batch's output or error file."""

        async def call() -> bytes:
            return (await self._client.files.content(file)).content

        return await self._retry(
            call, PATIENT_ATTEMPTS, lambda status: self._not_found(f"the answers of batch {batch}", status)
        )

    async def _retry(self, call: Callable[[], Awaitable[T]], attempts: int, missing: Callable[[int], str]) -> T:
        attempt = 0
        while True:
            try:
                return await self._attempt(call, missing)
            except (RetryableError, RateLimited) as error:
                attempt += 1
                await self._wait_before_retry(error, attempt, attempts)

    async def _attempt(self, call: Callable[[], Awaitable[T]], missing: Callable[[int], str]) -> T:
        error: Exception
        try:
            result = await call()
            self._has_responded = True
            return result
        except Exception as failure:
            error = self._translate(failure, missing)
        # not inside `except`: the SDK's error, which may quote the key, would become its context
        raise error

    def _translate(self, failure: Exception, missing: Callable[[int], str]) -> Exception:
        import openai

        if isinstance(failure, openai.APIConnectionError):
            reason = without_key(f"connection failed: {failure.__cause__ or failure}", self.key)
            return RetryableError(reason, is_unreachable=not self._has_responded)
        if isinstance(failure, openai.APIStatusError):
            self._has_responded = True
            if failure.status_code in NOT_SUPPORTED:
                return EndpointError(missing(failure.status_code))
            found = error_for_status(
                failure.status_code, failure.response.headers, failure.body, self._config, self.key
            )
            if isinstance(found, RequestFailed):
                return EndpointError(
                    f"{self._config.base_url}: rejected the batch ({found}); correct `questions.endpoint`"
                )
            return found
        if isinstance(failure, openai.OpenAIError | ValueError | RecursionError):
            return RetryableError("the response is not valid JSON")
        return failure

    async def _wait_before_retry(self, error: RetryableError | RateLimited, attempt: int, attempts: int) -> None:
        url = self._config.base_url
        rate_limited = isinstance(error, RateLimited)
        reason = "too many requests (429)" if isinstance(error, RateLimited) else error.reason
        if isinstance(error, RetryableError) and error.is_unreachable and attempt >= FIRST_ATTEMPTS:
            raise EndpointError(
                f"{url}: cannot be reached ({reason}); start the server or correct `questions.endpoint.base_url`"
            )
        if attempt >= (PATIENT_ATTEMPTS if rate_limited else attempts):
            raise EndpointError(f"{url}: {reason}, {attempt} times in a row; run again later, open batches are kept")
        self.retried[reason] += 1
        wait = min(MAX_WAIT, self._first_wait * 2.0 ** (attempt - 1))
        await asyncio.sleep(max(wait, error.retry_after or 0.0))

    def _not_supported(self, status: int) -> str:
        return (
            f"{self._config.base_url}: has no Batch API ({status}); set `mode: live`, or correct `base_url` (it "
            "usually ends with /v1)"
        )

    def _not_found(self, what: str, status: int) -> str:
        return (
            f"{self._config.base_url}: does not have {what}, which an earlier run submitted ({status}); use the key "
            "of that run, or set `mode: live` to send its requests again and pay for them again"
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

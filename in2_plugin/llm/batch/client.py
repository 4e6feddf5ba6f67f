"""A client of the Batch API: upload, create, find, retrieve and download, with retries.

Invariant: a batch is created once. A `create` whose response was lost may have worked, so the batch is looked up by its
metadata before the retry. Waits double from `first_wait` up to ten minutes. Uploading and creating give up after
`attempts`; retrieving and downloading are retried for more than a day, because their answers are already paid for.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, TypeVar

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.batch.file import URL
from in2_plugin.llm.endpoint.client import FIRST_ATTEMPTS, make_client
from in2_plugin.llm.endpoint.errors import RateLimited, RetryableError, error_for_status, without_key
from in2_plugin.llm.request import RequestFailed

if TYPE_CHECKING:
    from openai.types import Batch

MAX_WAIT = 600.0
PATIENT_ATTEMPTS = 200
"""Attempts at calls that must not give up: 33 hours of consecutive errors, and a batch takes 24 hours at most."""
NOT_SUPPORTED = {404, 405, 501}
METADATA = "in2"
"""Metadata key under which a batch stores our name for it."""

T = TypeVar("T")


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
            return _text(await self._client.files.create(file=file, purpose="batch"), "id")

        return await self._retry(call, self._config.attempts, self._not_supported)

    async def create(self, file: str, name: str) -> str:
        """Create a batch from an uploaded file, under a name of ours; return its id."""

        async def call() -> str:
            batch = await self._client.batches.create(
                completion_window="24h", endpoint=URL, input_file_id=file, metadata={METADATA: name}
            )
            return _text(batch, "id")

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
            page = await self._client.batches.list(limit=100)
            if not isinstance(getattr(page, "data", None), list):
                raise ValueError("not a list of batches")
            async for batch in page:
                name = (batch.metadata or {}).get(METADATA)
                if name and name in names:
                    found[name] = batch.id
                if len(found) == len(names):
                    break
            return found

        return await self._retry(call, self._config.attempts, self._not_supported)

    async def retrieve(self, batch: str) -> "Batch":
        """Return the state of a batch."""

        async def call() -> "Batch":
            found = await self._client.batches.retrieve(batch)
            _text(found, "status")
            return found

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
        if isinstance(failure, openai.OpenAIError | ValueError):
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


def _text(found: object, name: str) -> str:
    """Return a field of a response; the SDK does not check that it exists."""
    value = getattr(found, name, None)
    if not isinstance(value, str):
        raise ValueError(f"no {name}")
    return value

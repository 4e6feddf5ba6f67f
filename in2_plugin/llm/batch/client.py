"""The calls of the Batch interface: upload, create, find, look, download; each waits out what may pass.

Invariant: a batch is created once. A `create` whose answer was lost may have worked, so it is looked for by its
metadata before it is sent again. Waits double from `first_wait` up to ten minutes. Handing over gives up after
`attempts`; looking and downloading go on for more than a day, because what they wait for is paid.
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
"""Attempts at what must not be given up: 33 hours of error in a row, and a batch takes 24 at most."""
NO_INTERFACE = {404, 405, 501}
METADATA = "in2"
"""Key of a batch's metadata under which it carries the name that we gave it."""

T = TypeVar("T")


class BatchClient:
    """One endpoint's Batch interface."""

    def __init__(self, config: EndpointConfig, first_wait: float) -> None:
        """Prepare the connection.

        Raises:
            MissingExtra: the SDK is not installed.
            ConfigError: the key is missing.
        """
        self._config, self._first_wait = config, first_wait
        self._client, self.key = make_client(config)
        self._has_responded = False
        self.repeated: Counter[str] = Counter()
        """Calls that were made again, by reason."""

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a file of requests; returns its id.

        Raises:
            EndpointError: as all calls here, when there is no use in trying again.
        """

        async def call() -> str:
            file = (f"{name}.jsonl", content, "application/jsonl")
            return _text(await self._client.files.create(file=file, purpose="batch"), "id")

        return await self._persist(call, self._config.attempts, self._no_interface)

    async def create(self, file: str, name: str) -> str:
        """Have an uploaded file worked on, under a name of ours; returns the batch's id."""

        async def call() -> str:
            batch = await self._client.batches.create(
                completion_window="24h", endpoint=URL, input_file_id=file, metadata={METADATA: name}
            )
            return _text(batch, "id")

        async def call_unless_there() -> str:
            return (await self.find({name})).get(name) or await call()

        try:
            return await self._attempt(call, self._no_interface)
        except (RetryableError, RateLimited) as error:
            await self._wait_out(error, 1, self._config.attempts)
        return await self._persist(call_unless_there, self._config.attempts, self._no_interface)

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Ids of the batches with these names, as far as the server has them."""

        async def call() -> dict[str, str]:
            found: dict[str, str] = {}
            page = await self._client.batches.list(limit=100)
            if not isinstance(getattr(page, "data", None), list):
                raise ValueError("no list of batches")
            async for batch in page:
                name = (batch.metadata or {}).get(METADATA)
                if name and name in names:
                    found[name] = batch.id
                if len(found) == len(names):
                    break
            return found

        return await self._persist(call, self._config.attempts, self._no_interface)

    async def retrieve(self, batch: str) -> "Batch":
        """How a batch is getting on."""

        async def call() -> "Batch":
            found = await self._client.batches.retrieve(batch)
            _text(found, "status")
            return found

        return await self._persist(call, PATIENT_ATTEMPTS, lambda status: self._not_there(f"batch {batch}", status))

    async def download(self, file: str, batch: str) -> bytes:
        """The content of a batch's output or error file."""

        async def call() -> bytes:
            return (await self._client.files.content(file)).content

        return await self._persist(
            call, PATIENT_ATTEMPTS, lambda status: self._not_there(f"the answers of batch {batch}", status)
        )

    async def _persist(self, call: Callable[[], Awaitable[T]], attempts: int, missing: Callable[[int], str]) -> T:
        attempt = 0
        while True:
            try:
                return await self._attempt(call, missing)
            except (RetryableError, RateLimited) as error:
                attempt += 1
                await self._wait_out(error, attempt, attempts)

    async def _attempt(self, call: Callable[[], Awaitable[T]], missing: Callable[[int], str]) -> T:
        error: Exception
        try:
            result = await call()
            self._has_responded = True
            return result
        except Exception as failure:
            error = self._translate(failure, missing)
        # not from within `except`: the SDK's error, which may quote the key, would hang on to it as its context
        raise error

    def _translate(self, failure: Exception, missing: Callable[[int], str]) -> Exception:
        import openai

        if isinstance(failure, openai.APIConnectionError):
            reason = without_key(f"connection failed: {failure.__cause__ or failure}", self.key)
            return RetryableError(reason, is_unreachable=not self._has_responded)
        if isinstance(failure, openai.APIStatusError):
            self._has_responded = True
            if failure.status_code in NO_INTERFACE:
                return EndpointError(missing(failure.status_code))
            found = error_for_status(
                failure.status_code, failure.response.headers, failure.body, self._config, self.key
            )
            if isinstance(found, RequestFailed):
                return EndpointError(
                    f"{self._config.base_url}: refused the batch ({found}); correct `questions.endpoint`"
                )
            return found
        if isinstance(failure, openai.OpenAIError | ValueError):
            return RetryableError("the answer is not valid JSON")
        return failure

    async def _wait_out(self, error: RetryableError | RateLimited, attempt: int, attempts: int) -> None:
        url = self._config.base_url
        rate_limited = isinstance(error, RateLimited)
        reason = "too many requests (429)" if isinstance(error, RateLimited) else error.reason
        if isinstance(error, RetryableError) and error.is_unreachable and attempt >= FIRST_ATTEMPTS:
            raise EndpointError(
                f"{url}: cannot be reached ({reason}); start the server or correct `questions.endpoint.base_url`"
            )
        if attempt >= (PATIENT_ATTEMPTS if rate_limited else attempts):
            raise EndpointError(f"{url}: {reason}, {attempt} times in a row; run again later, open batches are kept")
        self.repeated[reason] += 1
        wait = min(MAX_WAIT, self._first_wait * 2.0 ** (attempt - 1))
        await asyncio.sleep(max(wait, error.retry_after or 0.0))

    def _no_interface(self, status: int) -> str:
        return (
            f"{self._config.base_url}: has no Batch interface ({status}); set `mode: live`, or correct `base_url` (it "
            "usually ends with /v1)"
        )

    def _not_there(self, what: str, status: int) -> str:
        return (
            f"{self._config.base_url}: does not have {what}, which an earlier run handed over ({status}); use the key "
            "of that run, or set `mode: live` to ask its requests again and pay for them again"
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def _text(found: object, name: str) -> str:
    """A field of an answer; the SDK does not check that it is there."""
    value = getattr(found, name, None)
    if not isinstance(value, str):
        raise ValueError(f"no {name}")
    return value

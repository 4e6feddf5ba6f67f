"""Live requests to an OpenAI-compatible server, as many at once as it can take.

Invariants: a 429 means "slow down" and never counts as an attempt; a retryable error is retried up to `attempts` times;
the run ends early when too many requests fail. The SDK's own retries are off, because rate limiting and retries depend
on each other. Cost: about 0.6 ms of CPU per call.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError, MissingExtra
from in2_plugin.llm.endpoint.concurrency import AdaptiveLimit, ConcurrencyLimiter, RetryPolicy, wait_unless_stopped
from in2_plugin.llm.endpoint.error_rate import ErrorRate
from in2_plugin.llm.endpoint.errors import (
    RateLimited,
    RetryableError,
    api_key,
    check_base_url,
    error_for_status,
    error_message,
    unreachable_message,
    without_key,
)
from in2_plugin.llm.request import THOUGHTS, Completion, Request, RequestFailed
from in2_plugin.llm.usage import estimated_tokens

if TYPE_CHECKING:
    from openai import AsyncOpenAI

FIRST_ATTEMPTS = 3
"""Attempts at a server that has never responded: a wrong address is reported at once."""
CONNECT_SECONDS = 30.0
MOST_TOKENS = 1 << 31
"""Larger token counts of one call cannot be true."""


class LiveEndpoint:
    """A `Transport` over `AsyncOpenAI`; also one server of an `EndpointPool`, which has its own queue."""

    def __init__(self, config: EndpointConfig, rng: random.Random, retry_policy: RetryPolicy | None = None) -> None:
        """Prepare the connection; nothing is sent yet.

        Raises:
            MissingExtra: the SDK is not installed.
            ConfigError: the key is missing.
        """
        self._config, self._rng, self._retry_policy = config, rng, retry_policy or RetryPolicy()
        self._client, self._key = make_client(config)
        self.limiter = ConcurrencyLimiter(AdaptiveLimit(config.concurrency, self._retry_policy, rng), time.monotonic)
        self._error_rate = ErrorRate(config.max_error_rate)
        self.has_responded = False
        """True once the server has sent any response."""
        self._stop = asyncio.Event()
        self.retried: Counter[str] = Counter()
        self.rate_limited = self.failed = 0

    async def answer(self, request: Request) -> Completion:
        """See `Transport`."""
        attempt = 0
        while True:
            pause = 0.0
            sent = await self.limiter.acquire()
            try:
                answer = await self.attempt(request)
                self.limiter.limit.on_success(self.limiter.in_flight)
                self._error_rate.record(None)
                return answer
            except RateLimited as rate_limited:
                self.on_rate_limited(sent, rate_limited)
            except RetryableError as error:
                attempt += 1
                self._on_retryable_error(sent, error, attempt)
                if attempt >= self._config.attempts:
                    self._count_failure(error.reason)
                    raise RequestFailed(f"{error.reason}, {attempt} times") from None
                pause = self._retry_policy.backoff(attempt, self._rng)
            except RequestFailed as failure:
                self.has_responded = True
                self._count_failure(str(failure))
                raise
            finally:
                self.limiter.release()
            if pause:
                await wait_unless_stopped(self._stop, pause)

    async def attempt(self, request: Request) -> Completion:
        """Send the request once, without limits or counting.

        Raises:
            RateLimited, RetryableError: it can be sent again.
            RequestFailed: it cannot.
            EndpointError: this server answers no request.
        """
        body = {"model": request.model, "messages": [{"role": "user", "content": request.prompt}], **request.parameters}
        error: Exception | None = None
        content: object = None
        try:
            async with asyncio.timeout(self._config.timeout):
                # keeps the SDK from generating a key, which it does not send
                content = await self._client.post(
                    "/chat/completions", cast_to=object, body=body, options={"idempotency_key": request.key.hex()}
                )
        except TimeoutError:
            error = RetryableError(f"no answer in {self._config.timeout:g} s", is_overload=True)
        except Exception as failure:
            error = self._translate(failure)
        if error:
            # not inside `except`: the SDK's error, which may quote the key, would become its context
            raise error
        self.has_responded = True
        return parse_completion(content, self._key)

    def _translate(self, failure: Exception) -> Exception:
        import openai

        if isinstance(failure, openai.APITimeoutError):
            # `attempt` itself limits the time of an answer
            return RetryableError(
                "no connection in time", is_overload=True, is_unreachable=not self.has_responded, is_broken=True
            )
        if isinstance(failure, openai.APIConnectionError):
            reason = without_key(f"connection failed: {failure.__cause__ or failure}", self._key)
            return RetryableError(reason, is_unreachable=not self.has_responded, is_broken=True)
        if isinstance(failure, openai.APIStatusError):
            found = error_for_status(
                failure.status_code, failure.response.headers, failure.body, self._config, self._key
            )
            self.has_responded = self.has_responded or not isinstance(found, EndpointError)
            return found
        if isinstance(failure, UnicodeEncodeError):
            return RequestFailed("the prompt contains half a surrogate pair, which UTF-8 cannot encode")
        if isinstance(failure, openai.OpenAIError | ValueError | RecursionError):
            # a body that does not match its content type, or is nested too deeply
            return RetryableError("the response is not valid JSON")
        return failure

    def on_rate_limited(self, sent: float, rate_limited: RateLimited) -> None:
        """Record a 429 for a request sent at `sent`, and close the limiter for a while.

        Raises:
            EndpointError: `Retry-After` is too long, or there were too many bursts of 429 in a row.
        """
        self.has_responded = True
        self.rate_limited += 1
        wait, limit = rate_limited.retry_after, self.limiter.limit
        if wait is not None and wait > self._retry_policy.max_retry_after:
            raise EndpointError(
                f"{self._config.address}: asks to come back in {wait / 3600:.1f} hours (429); run again then, answers "
                "so far are kept"
            )
        limit.on_rate_limited(sent, time.monotonic(), wait)
        if limit.bursts > self._retry_policy.max_bursts:
            raise EndpointError(
                f"{self._config.address}: has answered nothing but 429 (too many requests) for {limit.bursts} waits "
                "in a row; lower `concurrency` or run again later, answers so far are kept"
            )

    def _on_retryable_error(self, sent: float, error: RetryableError, attempt: int) -> None:
        if error.is_unreachable and attempt >= min(FIRST_ATTEMPTS, self._config.attempts):
            raise EndpointError(unreachable_message(self._config, error.reason))
        self.on_retryable_error(sent, error)

    def on_retryable_error(self, sent: float, error: RetryableError) -> None:
        """Record a failed attempt, and lower the limit if it was an overload."""
        self.retried[error.reason] += 1
        limit, now = self.limiter.limit, time.monotonic()
        if error.is_overload:
            limit.on_overload(sent, now)
        if error.retry_after is not None and error.retry_after <= self._retry_policy.max_retry_after:
            limit.opens_at = max(limit.opens_at, now + error.retry_after)

    def _count_failure(self, reason: str) -> None:
        self.failed += 1
        if rate := self._error_rate.record(reason):
            raise EndpointError(error_rate_message(self._config.address, rate))

    def stop(self) -> None:
        """Send no more requests; those in flight are awaited."""
        self._stop.set()
        self.limiter.stop()

    def resume(self) -> None:
        """Send requests again."""
        self._stop.clear()
        self.limiter.resume()

    def traffic(self) -> str:
        """Describe the requests in flight and the failures so far."""
        limit = self.limiter.limit.current
        reduced = " (reduced after overload)" if limit < self._config.concurrency.min else ""
        at_once = f"{self.limiter.in_flight} of {int(limit)} at once{reduced}"
        return ", ".join([at_once, *failure_counts(self.rate_limited, self.retried.total(), self.failed)])

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def failure_counts(rate_limited: int, retried: int, failed: int) -> list[str]:
    """Return these counts as `traffic` shows them, without those that are 0."""
    counts = ((rate_limited, "rate-limited (429)"), (retried, "retried"), (failed, "failed"))
    return [f"{count:,} {what}" for count, what in counts if count]


def error_rate_message(where: str, rate: str) -> str:
    """Return the sentence that ends a run in which too many requests failed."""
    return f"{where}: {rate}. Answers so far are kept; check the endpoint, then run again"


def make_client(config: EndpointConfig) -> "tuple[AsyncOpenAI, str]":
    """Return the SDK's client without its retries, and its API key.

    Raises:
        MissingExtra: the SDK is not installed.
        ConfigError: the key is missing or cannot be sent, or `base_url` is not a valid URL.
    """
    try:
        import httpx2
        import openai

        from in2_plugin.llm.endpoint.aiohttp_transport import AiohttpTransport
    except ImportError:
        raise MissingExtra("`writer: endpoint`", "endpoint") from None
    check_base_url(config)
    key = api_key(config)
    timeout = httpx2.Timeout(config.timeout, connect=min(CONNECT_SECONDS, config.timeout))
    http = httpx2.AsyncClient(
        transport=AiohttpTransport(config.concurrency.max), timeout=timeout, follow_redirects=True
    )
    return openai.AsyncOpenAI(base_url=config.address, api_key=key, max_retries=0, http_client=http), key


def parse_completion(content: object, secret: str) -> Completion:
    """Return the answer in a response body; token counts are 0 if the server sends none that can be true.

    Missing output tokens of an answer with thoughts are estimated here, because the thoughts are not kept. An empty
    answer next to thoughts (`reasoning_content` of DeepSeek, vLLM and SGLang, `reasoning` of OpenRouter and
    newer vLLM) has `THOUGHTS` as its finish reason, unless it was cut off.

    Raises:
        RetryableError: the body contains no answer. The message does not contain `secret`.
    """
    body = content if isinstance(content, Mapping) else {}
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, Mapping) or not isinstance(message := first.get("message"), Mapping):
        # some gateways report a failure of their upstream with status 200
        message_of_error = error_message(body)
        details = f" ({without_key(message_of_error, secret)})" if message_of_error else ""
        raise RetryableError(f"the response contains no choice{details}")
    usage = body.get("usage")
    counts = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if refusal := message.get("refusal"):
        return Completion(str(refusal), "refusal", *counts)
    text, finish = _text(message.get("content")), str(first.get("finish_reason") or "stop")
    thoughts = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    if not text.strip() and thoughts.strip() and finish != "length":
        finish = THOUGHTS
    if thoughts and not counts[1]:
        return Completion(text, finish, counts[0], estimated_tokens(thoughts + text), is_estimated=True)
    return Completion(text, finish, *counts)


def _count(usage: object, name: str) -> int:
    found = usage.get(name) if isinstance(usage, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return 0
    return int(found) if 0 < found <= MOST_TOKENS else 0  # NaN compares as False


def _text(content: object) -> str:
    """Join the parts in which some gateways send a text."""
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""

"""Live requests to an OpenAI-compatible server, as many at once as it bears.

Invariants: 429 says "slow down" and never uses up an attempt; what may be different next time is sent again, up to
`attempts`; the run ends early when too many requests are given up. The SDK's own retries are off, because pacing and
retrying must know of each other. About 0.6 ms of CPU a call.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError, MissingExtra
from in2_plugin.llm.endpoint.concurrency import Gate, Pacing, Patience, wait_unless_stopped
from in2_plugin.llm.endpoint.error_rate import Outcomes
from in2_plugin.llm.endpoint.errors import (
    Throttled,
    Transient,
    cannot_be_reached,
    check_address,
    error_message,
    key_of,
    one_line,
    sort_status,
)
from in2_plugin.llm.request import Answer, CallFailed, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

FIRST_ATTEMPTS = 3
"""Attempts while nothing was ever heard from the server: a wrong address shows at once."""
CONNECT_SECONDS = 30.0


class LiveEndpoint:
    """A `Transport` over `AsyncOpenAI`; also one server of an `EndpointPool`, which keeps the line itself."""

    def __init__(self, config: EndpointConfig, rng: random.Random, patience: Patience | None = None) -> None:
        """Prepare the connection; nothing is sent yet.

        Raises:
            MissingExtra: the SDK is not installed.
            ConfigError: the key is missing.
        """
        self._config, self._rng, self._patience = config, rng, patience or Patience()
        self._client, self._key = make_client(config)
        self.gate = Gate(Pacing(config.concurrency, self._patience, rng), time.monotonic)
        self._outcomes = Outcomes(config.max_error_rate)
        self.heard = False
        """Whether anything ever came back from the server."""
        self._stop = asyncio.Event()
        self.retried: Counter[str] = Counter()
        self.throttled = self.failed = 0

    async def answer(self, request: Request) -> Answer:
        """See `Transport`."""
        attempt = 0
        while True:
            pause = 0.0
            sent = await self.gate.enter()
            try:
                answer = await self.attempt(request)
                self.gate.pacing.good(self.gate.under_way)
                self._outcomes.add(None)
                return answer
            except Throttled as throttled:
                self.slow_down(sent, throttled)
            except Transient as trouble:
                attempt += 1
                self._note(sent, trouble, attempt)
                if attempt >= self._config.attempts:
                    self._give_up(trouble.reason)
                    raise CallFailed(f"{trouble.reason}, {attempt} times") from None
                pause = self._patience.before_retry(attempt, self._rng)
            except CallFailed as refused:
                self.heard = True
                self._give_up(str(refused))
                raise
            finally:
                self.gate.leave()
            if pause:
                await wait_unless_stopped(self._stop, pause)

    async def attempt(self, request: Request) -> Answer:
        """Send once, without waiting for leave and without counting.

        Raises:
            Throttled, Transient: it may be sent again.
            CallFailed: it may not.
            EndpointError: no request gets an answer here.
        """
        body = {"model": request.model, "messages": [{"role": "user", "content": request.prompt}], **request.parameters}
        trouble: Exception | None = None
        content: object = None
        try:
            async with asyncio.timeout(self._config.timeout):
                # spares the SDK making one up, which it does not send
                content = await self._client.post(
                    "/chat/completions", cast_to=object, body=body, options={"idempotency_key": request.key.hex()}
                )
        except TimeoutError:
            trouble = Transient(f"no answer in {self._config.timeout:g} s", is_overload=True)
        except Exception as failure:
            trouble = self._sorted(failure)
        if trouble:
            # not from within `except`: the SDK's error, which may quote the key, would hang on to it as its context
            raise trouble
        self.heard = True
        return answer_of(content)

    def _sorted(self, failure: Exception) -> Exception:
        import openai

        if isinstance(failure, openai.APITimeoutError):
            # of the answer `_attempt` has taken the time
            return Transient("no connection in time", is_overload=True, is_unreachable=not self.heard, is_broken=True)
        if isinstance(failure, openai.APIConnectionError):
            reason = one_line(f"connection failed: {failure.__cause__ or failure}", self._key)
            return Transient(reason, is_unreachable=not self.heard, is_broken=True)
        if isinstance(failure, openai.APIStatusError):
            found = sort_status(failure.status_code, failure.response.headers, failure.body, self._config, self._key)
            self.heard = self.heard or not isinstance(found, EndpointError)
            return found
        if isinstance(failure, UnicodeEncodeError):
            return CallFailed("the prompt holds half a surrogate pair, which UTF-8 cannot write")
        if isinstance(failure, openai.OpenAIError | ValueError | RecursionError):
            # a body that is not what its header says, or is nested without end
            return Transient("the answer is not valid JSON")
        return failure

    def slow_down(self, sent: float, throttled: Throttled) -> None:
        """Close the gate after a 429 to what was sent at `sent`.

        Raises:
            EndpointError: the server asks for more patience than there is.
        """
        self.heard = True
        self.throttled += 1
        wait, pacing = throttled.retry_after, self.gate.pacing
        if wait is not None and wait > self._patience.farthest:
            raise EndpointError(
                f"{self._config.address}: asks to come back in {wait / 3600:.1f} hours (429); run again then, answers "
                "so far are kept"
            )
        pacing.too_many_requests(sent, time.monotonic(), wait)
        if pacing.bursts > self._patience.bursts:
            raise EndpointError(
                f"{self._config.address}: has answered nothing but 429 (too many requests) for {pacing.bursts} waits "
                "in a row; lower `concurrency` or run again later, answers so far are kept"
            )

    def _note(self, sent: float, trouble: Transient, attempt: int) -> None:
        if trouble.is_unreachable and attempt >= min(FIRST_ATTEMPTS, self._config.attempts):
            raise EndpointError(cannot_be_reached(self._config, trouble.reason))
        self.ease(sent, trouble)

    def ease(self, sent: float, trouble: Transient) -> None:
        """Count what goes wrong with one attempt, and send less if it says so."""
        self.retried[trouble.reason] += 1
        pacing, now = self.gate.pacing, time.monotonic()
        if trouble.is_overload:
            pacing.push_back(sent, now)
        if trouble.retry_after is not None and trouble.retry_after <= self._patience.farthest:
            pacing.opens_at = max(pacing.opens_at, now + trouble.retry_after)

    def _give_up(self, reason: str) -> None:
        self.failed += 1
        if said := self._outcomes.add(reason):
            raise EndpointError(too_many_failed(self._config.address, said))

    def stop(self) -> None:
        """Send nothing more; what was sent is still waited for."""
        self._stop.set()
        self.gate.stop()

    def resume(self) -> None:
        """Send again."""
        self._stop.clear()
        self.gate.resume()

    def traffic(self) -> str:
        """Requests under way, and what went wrong so far."""
        at_once = f"{self.gate.under_way} of {int(self.gate.pacing.limit)} at once"
        return ", ".join([at_once, *went_wrong(self.throttled, self.retried.total(), self.failed)])

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def went_wrong(throttled: int, sent_again: int, failed: int) -> list[str]:
    """What `traffic` tells of these counts; those of 0 are left out."""
    counts = ((throttled, "slowed down (429)"), (sent_again, "sent again"), (failed, "failed"))
    return [f"{count:,} {what}" for count, what in counts if count]


def too_many_failed(where: str, said: str) -> str:
    """The sentence that ends a run in which too many requests were given up."""
    return f"{where}: {said}. Answers so far are kept; see to the endpoint, then run again"


def make_client(config: EndpointConfig) -> "tuple[AsyncOpenAI, str]":
    """The SDK's client without its retries, and the key that it uses.

    Raises:
        MissingExtra: the SDK is not installed.
        ConfigError: the key is missing or cannot be sent, or the address is none.
    """
    try:
        import httpx2
        import openai

        from in2_plugin.llm.endpoint.aiohttp_transport import Wire
    except ImportError:
        raise MissingExtra("`writer: endpoint`", "endpoint") from None
    check_address(config)
    key = key_of(config)
    timeout = httpx2.Timeout(config.timeout, connect=min(CONNECT_SECONDS, config.timeout))
    http = httpx2.AsyncClient(transport=Wire(config.concurrency.max), timeout=timeout, follow_redirects=True)
    return openai.AsyncOpenAI(base_url=config.address, api_key=key, max_retries=0, http_client=http), key


def answer_of(content: object) -> Answer:
    """The answer in the body of a completion; a server that counts no tokens gives 0.

    Raises:
        Transient: there is none.
    """
    body = content if isinstance(content, Mapping) else {}
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, Mapping) or not isinstance(message := first.get("message"), Mapping):
        # gateways report the failure of what is behind them with status 200
        said = error_message(body)
        raise Transient(f"the answer holds no choice ({said})" if said else "the answer holds no choice")
    usage = body.get("usage")
    counts = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    if refusal := message.get("refusal"):
        return Answer(str(refusal), "refusal", *counts)
    return Answer(_text(message.get("content")), str(first.get("finish_reason") or "stop"), *counts)


def _count(usage: object, name: str) -> int:
    found = usage.get(name) if isinstance(usage, Mapping) else None
    return int(found) if isinstance(found, int | float) and math.isfinite(found) else 0


def _text(content: object) -> str:
    """Plain, or in parts as some gateways give it."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""

"""Requests to a language model, their answers, and the key that connects the two in the work log."""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from in2_plugin.errors import In2Error

_SURROGATE = re.compile("[\ud800-\udfff]")
PARSER = 1
"""Version of the code that parses an answer's text. Part of the key: a new version never reads old answers."""


BATCH_PURPOSE = "batch"
"""`Request.purpose` of answers from a batch of an earlier run, if this run has not made the request."""
THOUGHTS = "thoughts"
"""`Completion.finish` of an empty answer whose whole text the server sent as thoughts."""


def storable(text: str) -> str:
    """Return a text that can be written to a file: lone surrogates become U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


@dataclass(frozen=True)
class Request:
    """One call of the chat completions API."""

    prompt: str
    """The user message."""
    model: str
    parameters: Mapping[str, Any]
    """Sampling parameters, extra fields and the response format: the whole body except model and messages."""
    purpose: str
    """A kind of question, or a check. For counting; not part of the key."""
    draw: int = 0
    """Distinguishes otherwise identical calls that need independent answers."""

    @cached_property
    def key(self) -> bytes:
        """Return the SHA-256 of prompt, model, parameters, draw and parser version: 32 bytes."""
        counted = [self.prompt, self.model, dict(self.parameters), self.draw, PARSER]
        canonical = json.dumps(counted, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Completion:
    """The text of an answer and its tokens. Lone surrogates, which cannot be written to a file, become U+FFFD."""

    text: str
    finish: str
    """`stop`, `length`, `content_filter`, `refusal`, `thoughts` (see `THOUGHTS`), or any other value of the server."""
    input_tokens: int
    """0 if the server does not report it."""
    output_tokens: int
    is_estimated: bool = False
    """The server reported no token counts, or not all of them: these are estimated from the texts."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", storable(self.text))
        object.__setattr__(self, "finish", storable(self.finish))


@dataclass(slots=True)
class Usage:
    """Number of answers and their tokens."""

    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: int = 0
    """Answers whose tokens are estimated, because the server did not report them."""

    def add(self, more: "Completion | Usage") -> None:
        """Add one answer, or another usage."""
        self.answers += more.answers if isinstance(more, Usage) else 1
        self.estimated += more.estimated if isinstance(more, Usage) else more.is_estimated
        self.input_tokens += more.input_tokens
        self.output_tokens += more.output_tokens

    @property
    def tokens(self) -> int:
        """Return input plus output tokens."""
        return self.input_tokens + self.output_tokens


class RequestFailed(Exception):
    """This request failed for good; others may succeed. Never leaves the question stage."""


class Transport(Protocol):
    """Gets requests answered. Implementations decide how many are in flight."""

    async def answer(self, request: Request) -> Completion:
        """Return one answer.

        Raises:
            RequestFailed: this request failed for good.
            RunStopped: `stop` was called before it was sent.
            EndpointError: no request can be answered; the run must end.
        """

    def stop(self) -> None:
        """Send no more requests; those in flight are awaited."""

    def resume(self) -> None:
        """Send requests again."""

    def traffic(self) -> str:
        """Describe the requests in flight and the failures, for the progress line; may be empty."""

    async def close(self) -> None:
        """Close all connections."""


Ask = Callable[[Request], Awaitable[Completion]]
"""Answers a request from the work log if possible, otherwise from the endpoint. Raises like a transport, and
WorkLogError."""


class RunStopped(In2Error):
    """The run is being stopped, and this request was not sent."""

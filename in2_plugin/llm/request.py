"""What is asked of a language model, what it answered, and the key that ties the two together for good."""

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
"""Version of what is made of an answer's text. Part of the key: another version never reads old answers."""


@dataclass(frozen=True)
class Request:
    """One call of the chat completions interface, in full."""

    prompt: str
    """The user message."""
    model: str
    parameters: Mapping[str, Any]
    """Sampling parameters, extra fields and the response format: all of the body besides model and messages."""
    purpose: str
    """What the answer is for: a kind of question, or a check. For counting; not part of the key."""
    draw: int = 0
    """Tells apart calls that are the same in all else, and yet are to be answered anew."""

    @cached_property
    def key(self) -> bytes:
        """SHA-256 of prompt, model, parameters, draw and parser version: 32 bytes."""
        counted = [self.prompt, self.model, dict(self.parameters), self.draw, PARSER]
        canonical = json.dumps(counted, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said, and what it cost. Half a surrogate pair, which no file can hold, becomes U+FFFD."""

    text: str
    finish: str
    """`stop`, `length`, `content_filter`, `refusal`, or whatever else the server says."""
    input_tokens: int
    output_tokens: int

    def __post_init__(self) -> None:
        if not self.text.isascii():
            object.__setattr__(self, "text", _SURROGATE.sub("\ufffd", self.text))


@dataclass(slots=True)
class Use:
    """What a number of answers cost, in tokens."""

    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, more: "Answer | Use") -> None:
        """Count an answer, or what was counted elsewhere."""
        self.answers += more.answers if isinstance(more, Use) else 1
        self.input_tokens += more.input_tokens
        self.output_tokens += more.output_tokens

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


class CallFailed(Exception):
    """This request got no answer and is given up; others may fare better. Never leaves the question stage."""


class Transport(Protocol):
    """A way to get requests answered. Implementations decide how many are under way."""

    async def answer(self, request: Request) -> Answer:
        """Get one answer.

        Raises:
            CallFailed: this request is given up.
            Stopping: `stop` was called before it was sent.
            EndpointError: no request can be answered; the run must stop.
        """

    def stop(self) -> None:
        """Send nothing more; what was sent is still waited for."""

    def resume(self) -> None:
        """Send again."""

    def traffic(self) -> str:
        """A few words on what is under way and what went wrong, for the progress line; may be empty."""

    async def close(self) -> None:
        """Give back connections."""


Ask = Callable[[Request], Awaitable[Answer]]
"""Answers a request from the work log if it can, and from the endpoint otherwise. Raises like a transport, and
WorkLogError."""


class Stopping(In2Error):
    """The run is being stopped, and this request was not begun."""

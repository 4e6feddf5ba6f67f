"""The files of the Batch interface: requests as JSON lines, and outcomes read back from such lines.

Pure functions. Invariants: the `custom_id` of a line is the request's key in hex, so that an answer can only go to the
request it belongs to; the first answer to a request stays, and no failure displaces it. A file is held in memory: at
most 200 MB. Format: platform.openai.com/docs/guides/batch, November 2026.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from in2_plugin.llm.endpoint.client import parse_completion
from in2_plugin.llm.endpoint.errors import RequestRejected, RetryableError, without_key
from in2_plugin.llm.request import Completion, Request, RequestFailed

MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
"""Limits of the interface for one file."""
URL: Final = "/v1/chat/completions"

OutcomesByKey = dict[bytes, Completion | RequestFailed]


class RequestNotRun(RequestFailed):
    """The batch ended before this request had its turn; nothing was paid for it."""


@dataclass(slots=True)
class Lines:
    """What the files of an ended batch say."""

    outcomes: OutcomesByKey = field(default_factory=dict)
    broken: int = 0
    """Lines that are not JSON: the file did not arrive whole."""


def request_line(request: Request) -> bytes:
    """One request as a line."""
    body = {"model": request.model, "messages": [{"role": "user", "content": request.prompt}], **request.parameters}
    line = {"custom_id": request.key.hex(), "method": "POST", "url": URL, "body": body}
    # escaped to ASCII, because a lone surrogate has no UTF-8
    return json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"


def split(requests: Iterable[Request], max_bytes: int = MAX_BYTES) -> Iterator[tuple[Request, ...]]:
    """Requests of one file each, within the limits; a request that is asked twice is written once."""
    taken: list[Request] = []
    size = 0
    for request in {request.key: request for request in requests}.values():
        length = len(request_line(request))
        if taken and (size + length > max_bytes or len(taken) == MAX_REQUESTS):
            yield tuple(taken)
            taken, size = [], 0
        taken.append(request)
        size += length
    if taken:
        yield tuple(taken)


def read(files: Sequence[bytes], keys: Iterable[bytes], secret: str) -> Lines:
    """OutcomesByKey of the requests with these keys, from the output file and the error file; those of others are left out.

    Messages of the server are shown without `secret`.
    """
    lines, known = Lines(), set(keys)
    for raw in (line for file in files for line in file.splitlines() if line.strip()):
        try:
            line = json.loads(raw)
            key = bytes.fromhex(line["custom_id"])
        except (ValueError, KeyError, TypeError):
            lines.broken += 1
            continue
        if key in known:
            outcome = _outcome(line, secret)
            if key not in lines.outcomes or (
                isinstance(outcome, Completion) and not isinstance(lines.outcomes[key], Completion)
            ):
                lines.outcomes[key] = outcome
    return lines


def _outcome(line: Mapping[str, Any], secret: str) -> Completion | RequestFailed:
    response, error = line.get("response"), line.get("error")
    if isinstance(error, Mapping) and error.get("code") in {"batch_expired", "batch_cancelled"}:
        return RequestNotRun(_ended(str(error["code"]).removeprefix("batch_")))
    if not isinstance(response, Mapping):
        return RequestFailed(_said(error, secret))
    status, body = response.get("status_code"), response.get("body")
    if status != 200:
        return RequestRejected(
            status if isinstance(status, int) else 0,
            _said(body.get("error", body) if isinstance(body, Mapping) else body, secret),
        )
    try:
        return parse_completion(body)
    except RetryableError as error:
        return RequestFailed(error.reason)


def fill(outcomes: OutcomesByKey, keys: Iterable[bytes], status: str) -> None:
    """Add a failure for each request that the files say nothing about."""
    for key in keys:
        outcomes.setdefault(key, RequestNotRun(_ended(status)))


def _ended(status: str) -> str:
    return f"the batch ended without an answer ({status})"


def _said(error: object, secret: str) -> str:
    message = error.get("message") if isinstance(error, Mapping) else error
    return without_key(str(message or "no reason given"), secret)

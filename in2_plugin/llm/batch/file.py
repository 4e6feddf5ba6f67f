"""The files of the Batch API: requests as JSON lines, and outcomes parsed from such lines. Pure functions.

Invariants: the `custom_id` of a line is the request's key in hex, so that an answer can only reach its own request; the
first answer to a request is kept, and no failure replaces it. A file is held in memory: at most 200 MB.
Format: platform.openai.com/docs/guides/batch, November 2026.
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
"""Limits of the API for one file."""
URL: Final = "/v1/chat/completions"

OutcomesByKey = dict[bytes, Completion | RequestFailed]


class RequestNotRun(RequestFailed):
    """The batch ended before this request was processed; it costs nothing."""


@dataclass(slots=True)
class BatchOutput:
    """The parsed files of a batch that has ended."""

    outcomes: OutcomesByKey = field(default_factory=dict)
    broken: int = 0
    """Lines that are not JSON: the download is incomplete."""


def request_line(request: Request) -> bytes:
    """Return one request as a line."""
    body = {"model": request.model, "messages": [{"role": "user", "content": request.prompt}], **request.parameters}
    line = {"custom_id": request.key.hex(), "method": "POST", "url": URL, "body": body}
    # escaped to ASCII, because UTF-8 cannot encode a lone surrogate
    return json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"


def split(requests: Iterable[Request], max_bytes: int = MAX_BYTES) -> Iterator[tuple[Request, ...]]:
    """Yield the requests of each file, within the limits; duplicates are written once."""
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


def read(files: Sequence[bytes], keys: Iterable[bytes], secret: str) -> BatchOutput:
    """Parse the outcomes of the requests with these keys from the output file and the error file.

    Server messages are shown without `secret`.
    """
    output, known = BatchOutput(), set(keys)
    for raw in (line for file in files for line in file.splitlines() if line.strip()):
        try:
            line = json.loads(raw)
            key = bytes.fromhex(line["custom_id"])
        except (ValueError, KeyError, TypeError, RecursionError):
            output.broken += 1
            continue
        if key in known:
            outcome = _outcome(line, secret)
            if key not in output.outcomes or (
                isinstance(outcome, Completion) and not isinstance(output.outcomes[key], Completion)
            ):
                output.outcomes[key] = outcome
    return output


def _outcome(line: Mapping[str, Any], secret: str) -> Completion | RequestFailed:
    response, error = line.get("response"), line.get("error")
    code = str(error.get("code")) if isinstance(error, Mapping) else ""
    if code in {"batch_expired", "batch_cancelled"}:
        return RequestNotRun(_not_run(code.removeprefix("batch_")))
    if not isinstance(response, Mapping):
        return RequestFailed(_message(error, secret))
    status, body = response.get("status_code"), response.get("body")
    if status != 200:
        return RequestRejected(
            status if isinstance(status, int) else 0,
            _message(body.get("error", body) if isinstance(body, Mapping) else body, secret),
        )
    try:
        return parse_completion(body, secret)
    except RetryableError as failure:
        return RequestFailed(failure.reason)


def fill_missing(outcomes: OutcomesByKey, keys: Iterable[bytes], status: str) -> None:
    """Add a failure for each request without an outcome."""
    for key in keys:
        outcomes.setdefault(key, RequestNotRun(_not_run(status)))


def _not_run(status: str) -> str:
    return f"the batch ended without an answer ({status})"


def _message(error: object, secret: str) -> str:
    message = error.get("message") if isinstance(error, Mapping) else error
    return without_key(str(message or "no reason given"), secret)

"""The four kinds of failed calls: wait, retry, give up this request, end the run.

Every error of the SDK is translated here, once. Invariant: no message contains the API key.
"""

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError, EndpointError, one_line
from in2_plugin.llm.request import RequestFailed, storable

RETRIED = {408, 409, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
OVERLOAD = {503, 504, 529}
"""Those of `RETRIED` that mean overload; vLLM and llama.cpp never send 429."""
NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
LONGEST_MESSAGE = 200
NO_KEY = "no-key-needed"
"""Sent to servers that need no key."""


class RequestRejected(RequestFailed):
    """The endpoint rejects this request; a retry would not help."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status


class RateLimited(Exception):
    """The endpoint answered with status 429."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("429")
        self.retry_after = retry_after


@dataclass
class RetryableError(Exception):
    """This attempt failed; the next one may succeed."""

    reason: str
    is_overload: bool = False
    is_unreachable: bool = False
    """No connection was ever established."""
    is_broken: bool = False
    """No connection was established, or it broke before the response was complete."""
    retry_after: float | None = None


def error_for_status(status: int, headers: Any, body: object, config: EndpointConfig, key: str) -> Exception:
    """Return the error for a response whose status is not 200."""
    message, code = _message(body, key), _code(body)
    where = config.address
    if status in {401, 403}:
        return EndpointError(f"{where}: does not accept the key ({status} {message}); {_key_advice(config)}")
    if status == 404:
        return EndpointError(
            f"{where}: has no model {config.model}, or is not the base URL of the API ({status} {message}); "
            "correct `model` or `base_url` (it usually ends with /v1)"
        )
    if status == 402 or code in NO_MONEY:
        return EndpointError(f"{where}: the account has no credit left ({status} {message}); top it up")
    if status == 429:
        return RateLimited(retry_after(headers))
    if status in RETRIED or status >= 500:
        return RetryableError(f"status {status}", is_overload=status in OVERLOAD, retry_after=retry_after(headers))
    return RequestRejected(status, message)


def unreachable_message(config: EndpointConfig, reason: str) -> str:
    """Return the sentence for a server that has never responded."""
    return f"{config.address}: cannot be reached ({reason}); start the server or correct `base_url`"


def _key_advice(config: EndpointConfig) -> str:
    if config.api_key_env is None:
        return "set `api_key_env` to the environment variable that holds one"
    return f"check the environment variable {config.api_key_env}"


def _code(body: object) -> str:
    fields = body.get("error", body) if isinstance(body, dict) else {}
    return str(fields.get("code") or fields.get("type") or "") if isinstance(fields, dict) else ""


def _message(body: object, key: str) -> str:
    return without_key(error_message(body) or str(body or "no reason given"), key)


def error_message(body: object) -> str:
    """Return the message of an error body, or an empty text if it has none."""
    fields = body.get("error", body) if isinstance(body, dict) else body
    text = fields.get("message") if isinstance(fields, dict) else fields
    return storable(text) if isinstance(text, str) else ""


def without_key(text: str, key: str) -> str:
    """Return the text on one line, short, and with `***` instead of the key."""
    return storable(one_line(text.replace(key, "***") if key else text, LONGEST_MESSAGE))


def retry_after(headers: Any, now: datetime | None = None) -> float | None:
    """Return the seconds of `retry-after-ms` or `Retry-After` (seconds or a date); None without such a header."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1e3)
    except ValueError:
        pass
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, TypeError):
        return None


def check_base_url(config: EndpointConfig) -> None:
    """Check that requests can be sent to `base_url`.

    Raises:
        ConfigError: the scheme or the host is missing, or the port is not a number up to 65,535.
    """
    try:
        parts = urlsplit(config.address)
        if parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0):
            return
    except ValueError:
        pass
    raise ConfigError(
        f"`base_url: {config.address}` is not a valid URL; write it in full, like http://localhost:8000/v1"
    )


def api_key(config: EndpointConfig) -> str:
    """Return the API key from the environment, or a placeholder for a server that needs none.

    Raises:
        ConfigError: the variable is not set and the server is not local, or its value cannot be sent.
    """
    if config.api_key_env is None:
        return NO_KEY
    if key := os.environ.get(config.api_key_env, "").strip():
        if not key.isascii() or not key.isprintable():
            raise ConfigError(
                f"the environment variable {config.api_key_env} contains characters that are not allowed in "
                "an API key (line breaks, or non-ASCII characters); set it to the key alone"
            )
        return key
    if _is_local(config.address):
        return NO_KEY
    raise ConfigError(
        f"the environment variable {config.api_key_env} is not set; set it to the key of {config.address}, or set "
        "`api_key_env: null` for a server that needs no key"
    )


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))

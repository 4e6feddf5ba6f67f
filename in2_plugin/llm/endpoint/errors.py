"""What goes wrong with a call, in four sorts: wait, try again, give up this request, end the run.

Everything the SDK raises is sorted here, once. Invariant: the key is in no message.
"""

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError, EndpointError
from in2_plugin.llm.request import CallFailed

RETRIED = {408, 409, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
OVERLOAD = {503, 504, 529}
"""Of these, the ones that mean too much at once; vLLM and llama.cpp know no 429."""
NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
SHOWN = 200
NO_KEY = "no-key-needed"
"""Sent to servers that need none."""


class Refused(CallFailed):
    """The endpoint will not answer this request, however often it is sent."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status


class Throttled(Exception):
    """429: come back later."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("429")
        self.retry_after = retry_after


@dataclass
class Transient(Exception):
    """This attempt failed; another may not."""

    reason: str
    is_overload: bool = False
    is_unreachable: bool = False
    """No connection came about at all."""
    is_broken: bool = False
    """No connection came about, or it broke before the answer was whole."""
    retry_after: float | None = None


def sort_status(status: int, headers: Any, body: object, config: EndpointConfig, key: str) -> Exception:
    """The error for a response whose status is not 200."""
    message, code = _message(body, key), _code(body)
    where = config.address
    if status in {401, 403}:
        return EndpointError(f"{where}: does not accept the key ({status} {message}); {_about_key(config)}")
    if status == 404:
        return EndpointError(
            f"{where}: knows no model {config.model}, or is not the address of the interface ({status} {message}); "
            "correct `model` or `base_url` (it usually ends with /v1)"
        )
    if status == 402 or code in NO_MONEY:
        return EndpointError(f"{where}: says that the account has no money left ({status} {message}); top it up")
    if status == 429:
        return Throttled(retry_after(headers))
    if status in RETRIED or status >= 500:
        return Transient(f"status {status}", is_overload=status in OVERLOAD, retry_after=retry_after(headers))
    return Refused(status, message)


def cannot_be_reached(config: EndpointConfig, reason: str) -> str:
    """The sentence for a server that nothing was ever heard from."""
    return f"{config.address}: cannot be reached ({reason}); start the server or correct `questions.endpoint.base_url`"


def _about_key(config: EndpointConfig) -> str:
    if config.api_key_env is None:
        return "set `api_key_env` to the environment variable that holds one"
    return f"check the environment variable {config.api_key_env}"


def _code(body: object) -> str:
    fields = body.get("error", body) if isinstance(body, dict) else {}
    return str(fields.get("code") or fields.get("type") or "") if isinstance(fields, dict) else ""


def _message(body: object, key: str) -> str:
    return one_line(error_message(body) or str(body or "no reason given"), key)


def error_message(body: object) -> str:
    """What a body says under `error`, or as its `message`; empty when it says nothing there."""
    fields = body.get("error", body) if isinstance(body, dict) else body
    text = fields.get("message") if isinstance(fields, dict) else fields
    return text if isinstance(text, str) else ""


def one_line(text: str, key: str) -> str:
    """The text on one line, short, and without the key."""
    text = " ".join((text.replace(key, "***") if key else text).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def retry_after(headers: Any, now: datetime | None = None) -> float | None:
    """Seconds that `retry-after-ms` or `Retry-After` (seconds or a date) ask for; None when they do not say."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1e3)
    except ValueError:
        pass
    said = headers.get("retry-after")
    if not said:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, TypeError):
        return None


def check_address(config: EndpointConfig) -> None:
    """Refuse a `base_url` that no request can be sent to.

    Raises:
        ConfigError: the scheme or the host is missing, or the port is not a number up to 65,535.
    """
    try:
        parts = urlsplit(config.address)
        if parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0):
            return
    except ValueError:
        pass
    raise ConfigError(f"`base_url: {config.address}` is no address; give it in full, like http://localhost:8000/v1")


def key_of(config: EndpointConfig) -> str:
    """The key, from the environment; a stand-in for a server that needs none.

    Raises:
        ConfigError: the variable is not set, and the server is not a local one; or what it holds cannot be sent.
    """
    if config.api_key_env is None:
        return NO_KEY
    if key := os.environ.get(config.api_key_env, "").strip():
        if not key.isascii() or not key.isprintable():
            raise ConfigError(
                f"the environment variable {config.api_key_env} holds signs that no key has (line ends, or letters "
                "beyond ASCII); set it to the key alone"
            )
        return key
    if _is_local(config.address):
        return NO_KEY
    raise ConfigError(
        f"the environment variable {config.api_key_env} is not set; set it to the key of {config.address}, or give "
        "`api_key_env: null` for a server that needs none"
    )


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))

from datetime import UTC, datetime

import pytest

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError, EndpointError
from in2_plugin.llm.endpoint.errors import (
    NO_KEY,
    RateLimited,
    RequestRejected,
    RetryableError,
    api_key,
    check_base_url,
    error_for_status,
    retry_after,
    without_key,
)

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
CONFIG = EndpointConfig(model="m", base_url="https://api.example.com/v1", api_key_env="THE_KEY")


def translate(status: int, body: object = None, headers: dict | None = None) -> Exception:
    return error_for_status(status, headers or {}, body, CONFIG, "sk-secret")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504, 520, 529, 599])
def test_retryable_statuses(status):
    found = translate(status, headers={"retry-after": "3"})
    assert isinstance(found, RetryableError)
    assert (found.is_overload, found.retry_after) == (status in {503, 504, 529}, 3)


@pytest.mark.parametrize("status", [400, 405, 413, 415, 422])
def test_rejected_requests(status):
    found = translate(status, {"message": "too\n long  by far", "code": None})
    assert isinstance(found, RequestRejected)
    assert (found.status, str(found)) == (status, f"{status} too long by far")


@pytest.mark.parametrize(
    "body",
    [
        {"code": "insufficient_quota", "message": "x"},
        {"error": {"type": "insufficient_quota", "code": None, "message": "x"}},
        {"error": {"code": "billing_hard_limit_reached", "message": "x"}},
    ],
)
def test_a_429_without_credit_ends_the_run(body):
    found = translate(429, body)
    assert isinstance(found, EndpointError)
    assert "no credit left" in str(found)


def test_rate_limiting():
    found = translate(429, {"code": "rate_limit_exceeded"}, {"retry-after": "2"})
    assert isinstance(found, RateLimited)
    assert found.retry_after == 2


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_fatal_statuses_name_the_server_and_hide_the_key(status):
    found = translate(status, {"error": {"message": "sk-secret is bad"}})
    assert isinstance(found, EndpointError)
    assert "https://api.example.com/v1" in str(found)
    assert "sk-secret" not in str(found)


def test_error_bodies_of_any_form_become_messages():
    assert str(translate(400, "model is busy\nnow")) == "400 model is busy now"
    assert str(translate(400, {"detail": "no such field"})) == "400 {'detail': 'no such field'}"
    assert str(translate(400, {"error": {"message": {"en": "x"}}})) == "400 {'error': {'message': {'en': 'x'}}}"
    assert str(translate(400)) == "400 no reason given"


def test_without_key_hides_the_key_before_it_cuts():
    assert without_key("a\n b\t c", "") == "a b c"
    assert without_key("x" * 198 + "sk-secret", "sk-secret") == "x" * 198 + "**..."


@pytest.mark.parametrize("url", ["http://localhost:8000/v1", "https://api.example.com/v1", "http://[::1]:80/v1"])
def test_valid_urls_are_accepted(url):
    assert check_base_url(EndpointConfig(model="m", base_url=url)) is None


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("THE_KEY", "sk-x\n")
    assert api_key(CONFIG) == "sk-x"
    monkeypatch.setenv("THE_KEY", "  ")
    with pytest.raises(ConfigError, match="THE_KEY is not set"):
        api_key(CONFIG)
    assert api_key(EndpointConfig(model="m", api_key_env=None)) == NO_KEY

from datetime import UTC, datetime

import pytest

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError, EndpointError
from in2_plugin.llm.endpoint.errors import (
    NO_KEY,
    Refused,
    Throttled,
    Transient,
    check_address,
    key_of,
    one_line,
    retry_after,
    sort_status,
)

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
CONFIG = EndpointConfig(model="m", base_url="https://api.example.com/v1", api_key_env="THE_KEY")


def sort(status: int, body: object = None, headers: dict | None = None) -> Exception:
    return sort_status(status, headers or {}, body, CONFIG, "sk-secret")


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
def test_what_may_pass(status):
    found = sort(status, headers={"retry-after": "3"})
    assert isinstance(found, Transient)
    assert (found.is_overload, found.retry_after) == (status in {503, 504, 529}, 3)


@pytest.mark.parametrize("status", [400, 405, 413, 415, 422])
def test_what_is_refused(status):
    found = sort(status, {"message": "too\n long  by far", "code": None})
    assert isinstance(found, Refused)
    assert (found.status, str(found)) == (status, f"{status} too long by far")


@pytest.mark.parametrize(
    "body",
    [
        {"code": "insufficient_quota", "message": "x"},
        {"error": {"type": "insufficient_quota", "code": None, "message": "x"}},
        {"error": {"code": "billing_hard_limit_reached", "message": "x"}},
    ],
)
def test_no_money_is_no_throttling(body):
    found = sort(429, body)
    assert isinstance(found, EndpointError)
    assert "no money left" in str(found)


def test_throttling():
    found = sort(429, {"code": "rate_limit_exceeded"}, {"retry-after": "2"})
    assert isinstance(found, Throttled)
    assert found.retry_after == 2


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_ends_the_run_names_the_server_and_hides_the_key(status):
    found = sort(status, {"error": {"message": "sk-secret is bad"}})
    assert isinstance(found, EndpointError)
    assert "https://api.example.com/v1" in str(found)
    assert "sk-secret" not in str(found)


def test_messages_of_servers_that_have_their_own_form():
    assert str(sort(400, "model is busy\nnow")) == "400 model is busy now"
    assert str(sort(400, {"detail": "no such field"})) == "400 {'detail': 'no such field'}"
    assert str(sort(400, {"error": {"message": {"en": "x"}}})) == "400 {'error': {'message': {'en': 'x'}}}"
    assert str(sort(400)) == "400 no reason given"


def test_one_line_is_short_and_hides_the_key_before_it_is_cut():
    assert one_line("a\n b\t c", "") == "a b c"
    assert one_line("x" * 198 + "sk-secret", "sk-secret") == "x" * 198 + "**..."


@pytest.mark.parametrize("url", ["http://localhost:8000/v1", "https://api.example.com/v1", "http://[::1]:80/v1"])
def test_addresses_in_full_are_not_refused(url):
    assert check_address(EndpointConfig(model="m", base_url=url)) is None


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("THE_KEY", "sk-x\n")
    assert key_of(CONFIG) == "sk-x"
    monkeypatch.setenv("THE_KEY", "  ")
    with pytest.raises(ConfigError, match="THE_KEY is not set"):
        key_of(CONFIG)
    assert key_of(EndpointConfig(model="m", api_key_env=None)) == NO_KEY

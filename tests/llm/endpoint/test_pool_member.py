import asyncio
import random
import time

import pytest

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.endpoint.concurrency import RetryPolicy
from in2_plugin.llm.endpoint.errors import RateLimited, RequestRejected, RetryableError
from in2_plugin.llm.endpoint.pool_member import PoolMember
from in2_plugin.llm.request import RequestFailed

URL = "http://127.0.0.1:9/v1"
BROKEN = RetryableError("connection failed", is_broken=True)
WRONG_MODEL = EndpointError(f"{URL}: has no model m (404 none such); correct `model`")


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def member(lines):
    """Return a member without cooldowns whose server has responded before."""
    config = EndpointConfig(model="m", base_url=URL, api_key_env=None)
    made = PoolMember(
        config, random.Random(0), RetryPolicy(cooldown=0.0, max_cooldowns=2, throttle_wait=0.0), lines.append
    )
    made.client.has_responded = True
    yield made
    asyncio.run(made.client.close())


def fail(member: PoolMember, error: RetryableError, times: int = 1, is_last: bool = False) -> list[bool]:
    counted = []
    for _ in range(times):
        attempt = member.acquire()
        counted.append(member.on_retryable_error(attempt, error, is_last))
        member.release(attempt)
    return counted


def answer(member: PoolMember, times: int = 1) -> None:
    for _ in range(times):
        attempt = member.acquire()
        member.on_success(attempt)
        member.release(attempt)


def test_three_broken_connections_in_a_row_take_it_down(member):
    assert fail(member, BROKEN, 2) == [True, True]
    answer(member)
    assert fail(member, BROKEN, 2) == [True, True]
    assert member.is_up
    assert fail(member, BROKEN) == [False]
    assert not member.is_up
    assert (member.summary, member.reason) == ("cannot be reached", "cannot be reached (connection failed)")


def test_a_server_that_never_responded_is_lost_and_costs_no_attempt(member):
    member.client.has_responded = False
    error = RetryableError("connection failed", is_unreachable=True, is_broken=True)
    assert fail(member, error, 3) == [False, False, False]
    assert member.is_lost


def test_a_server_that_responded_before_is_lost_after_max_cooldowns(member):
    fail(member, BROKEN, 3)
    lost = [member.is_lost]
    for _ in range(2):
        fail(member, BROKEN)
        lost.append(member.is_lost)
    assert lost == [False, False, True]


def test_one_probe_at_a_time(member):
    fail(member, BROKEN, 3)
    assert member.is_free
    probe = member.acquire()
    assert probe.is_probe
    assert not member.is_free
    assert not member.is_lost
    member.release(probe)
    assert member.is_free


@pytest.mark.parametrize("proof", ["answered", "rejected", "rate_limited"])
def test_any_response_to_a_probe_brings_it_back(member, lines, proof):
    fail(member, BROKEN, 3)
    probe = member.acquire()
    if proof == "answered":
        member.on_success(probe)
    elif proof == "rejected":
        member.on_request_failed(probe, RequestRejected(400, "too long"))
    else:
        member.on_rate_limited(probe, RateLimited(None))
    member.release(probe)
    assert member.is_up
    assert lines[1:] == [f"{URL} answers again"]


def test_a_prompt_that_cannot_be_sent_does_not_bring_it_back(member):
    fail(member, BROKEN, 3)
    probe = member.acquire()
    member.on_request_failed(probe, RequestFailed("half a surrogate pair"))
    member.release(probe)
    assert not member.is_up
    assert member.is_free


def test_outcomes_of_requests_sent_before_it_went_down_are_ignored(member):
    old = [member.acquire() for _ in range(3)]
    member.on_fatal_error(member.acquire(), WRONG_MODEL)
    assert member.summary == "has no model m"
    assert [member.on_retryable_error(attempt, BROKEN, False) for attempt in old] == [False] * 3
    member.on_success(old[0])
    assert not member.is_up
    assert member.summary == "has no model m"


def test_outcomes_of_requests_sent_before_it_came_back_are_ignored(member):
    old = [member.acquire() for _ in range(3)]
    fail(member, BROKEN, 3)
    answer(member)
    assert member.is_up
    # connections to a machine that was switched off end minutes later, when the answer is due
    assert [member.on_retryable_error(attempt, BROKEN, False) for attempt in old] == [False] * 3
    assert member.is_up


def test_a_high_error_rate_takes_it_down_unless_it_is_the_last_one(member):
    error = RetryableError("status 500")
    answer(member, 15)
    assert fail(member, error, 10, is_last=True) == [True] * 10
    assert member.is_up
    assert fail(member, error) == [False]
    assert member.reason == ("fails too often (11 of the last 26 attempts failed, most often: status 500 (11 times))")


def test_nothing_is_sent_during_the_cooldown(lines):
    config = EndpointConfig(model="m", base_url=URL, api_key_env=None)
    member = PoolMember(config, random.Random(0), RetryPolicy(cooldown=1_000.0, max_cooldown=1e9), lines.append)
    member.on_fatal_error(member.acquire(), WRONG_MODEL)
    assert 990 < member.seconds_until_free() <= 1_000
    assert not member.is_free
    asyncio.run(member.client.close())


def test_a_retry_after_of_hours_takes_it_down_for_that_time(member):
    member.on_rate_limited(member.acquire(), RateLimited(7_200.0))
    assert not member.is_up
    assert member.summary == "asks to come back in 2.0 hours"
    assert 7_100 < member.seconds_until_free() <= 7_200


def test_twenty_answers_reset_the_count_of_failures(member):
    for _ in range(2):
        fail(member, BROKEN, 3)
        fail(member, BROKEN)
        assert not member.is_lost
        answer(member, 21)
        assert member.is_up
    fail(member, BROKEN, 3)
    fail(member, BROKEN, 2)
    assert member.is_lost


def test_seconds_until_free_follow_the_limiter(member):
    assert member.seconds_until_free() is None
    member.client.limiter.limit.opens_at = time.monotonic() + 100
    assert 99 < member.seconds_until_free() <= 100
    assert not member.is_free

import asyncio
import random
import time

import pytest

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.endpoint.concurrency import Patience
from in2_plugin.llm.endpoint.errors import Refused, Throttled, Transient
from in2_plugin.llm.endpoint.pool_member import Address
from in2_plugin.llm.request import CallFailed

URL = "http://127.0.0.1:9/v1"
BROKEN = Transient("connection failed", is_broken=True)
WRONG_MODEL = EndpointError(f"{URL}: knows no model m (404 none such); correct `model`")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def address(said):
    """One that rests for no time at all, and was heard from."""
    config = EndpointConfig(model="m", base_url=URL, api_key_env=None)
    made = Address(config, random.Random(0), Patience(rest=0.0, rests=2, closed=0.0), said.append)
    made.live.heard = True
    yield made
    asyncio.run(made.live.close())


def fail(address: Address, trouble: Transient, times: int = 1, is_last: bool = False) -> list[bool]:
    counted = []
    for _ in range(times):
        visit = address.enter()
        counted.append(address.failed(visit, trouble, is_last))
        address.leave(visit)
    return counted


def answer(address: Address, times: int = 1) -> None:
    for _ in range(times):
        visit = address.enter()
        address.answered(visit)
        address.leave(visit)


def test_three_broken_connections_in_a_row_take_it_out_and_the_third_is_not_the_fault_of_the_request(address):
    assert fail(address, BROKEN, 2) == [True, True]
    answer(address)
    assert fail(address, BROKEN, 2) == [True, True]
    assert address.is_up
    assert fail(address, BROKEN) == [False]
    assert not address.is_up
    assert (address.summary, address.reason) == ("cannot be reached", "cannot be reached (connection failed)")


def test_what_was_never_heard_from_costs_no_request_an_attempt_and_is_lost_at_once(address):
    address.live.heard = False
    trouble = Transient("connection failed", is_unreachable=True, is_broken=True)
    assert fail(address, trouble, 3) == [False, False, False]
    assert address.is_lost


def test_what_was_heard_from_is_lost_after_so_many_rests(address):
    fail(address, BROKEN, 3)
    lost = [address.is_lost]
    for _ in range(2):
        fail(address, BROKEN)
        lost.append(address.is_lost)
    assert lost == [False, False, True]


def test_one_is_tried_at_a_time(address):
    fail(address, BROKEN, 3)
    assert address.is_free
    probe = address.enter()
    assert probe.is_probe
    assert not address.is_free
    assert not address.is_lost
    address.leave(probe)
    assert address.is_free


@pytest.mark.parametrize("proof", ["answered", "refused", "throttled"])
def test_whatever_it_says_to_a_request_it_is_there(address, said, proof):
    fail(address, BROKEN, 3)
    probe = address.enter()
    if proof == "answered":
        address.answered(probe)
    elif proof == "refused":
        address.refused(probe, Refused(400, "too long"))
    else:
        address.throttled(probe, Throttled(None))
    address.leave(probe)
    assert address.is_up
    assert said[1:] == [f"{URL} answers again"]


def test_a_prompt_that_cannot_be_sent_proves_nothing(address):
    fail(address, BROKEN, 3)
    probe = address.enter()
    address.refused(probe, CallFailed("half a surrogate pair"))
    address.leave(probe)
    assert not address.is_up
    assert address.is_free


def test_what_was_sent_before_it_fell_is_no_news(address):
    old = [address.enter() for _ in range(3)]
    address.lost(address.enter(), WRONG_MODEL)
    assert address.summary == "knows no model m"
    assert [address.failed(visit, BROKEN, False) for visit in old] == [False] * 3
    address.answered(old[0])
    assert not address.is_up
    assert address.summary == "knows no model m"


def test_what_was_sent_before_it_came_back_is_no_news(address):
    old = [address.enter() for _ in range(3)]
    fail(address, BROKEN, 3)
    answer(address)
    assert address.is_up
    # connections to a machine that was switched off end when the answer is due, minutes later
    assert [address.failed(visit, BROKEN, False) for visit in old] == [False] * 3
    assert address.is_up


def test_too_many_failed_attempts_take_it_out_but_not_the_last_one(address):
    trouble = Transient("status 500")
    answer(address, 15)
    assert fail(address, trouble, 10, is_last=True) == [True] * 10
    assert address.is_up
    assert fail(address, trouble) == [False]
    assert address.reason == ("fails too often (11 of the last 26 attempts failed, most often: status 500 (11 times))")


def test_nothing_is_sent_while_it_rests(said):
    config = EndpointConfig(model="m", base_url=URL, api_key_env=None)
    address = Address(config, random.Random(0), Patience(rest=1_000.0, rest_most=1e9), said.append)
    address.lost(address.enter(), WRONG_MODEL)
    assert 990 < address.wakes_in() <= 1_000
    assert not address.is_free
    asyncio.run(address.live.close())


def test_a_429_that_asks_for_hours_is_heeded(address):
    address.throttled(address.enter(), Throttled(7_200.0))
    assert not address.is_up
    assert address.summary == "asks to come back in 2.0 hours"
    assert 7_100 < address.wakes_in() <= 7_200


def test_its_falls_are_forgotten_after_twenty_good_answers(address):
    for _ in range(2):
        fail(address, BROKEN, 3)
        fail(address, BROKEN)
        assert not address.is_lost
        answer(address, 21)
        assert address.is_up
    fail(address, BROKEN, 3)
    fail(address, BROKEN, 2)
    assert address.is_lost


def test_time_alone_brings_back_only_what_rests(address):
    assert address.wakes_in() is None
    address.live.gate.pacing.opens_at = time.monotonic() + 100
    assert 99 < address.wakes_in() <= 100
    assert not address.is_free

import asyncio
import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError, EndpointError
from in2_plugin.llm.endpoint.client import LiveEndpoint, parse_completion
from in2_plugin.llm.endpoint.concurrency import RetryPolicy
from in2_plugin.llm.endpoint.errors import RateLimited, RetryableError, error_for_status
from in2_plugin.llm.request import Completion, Request, RequestFailed, RunStopped
from tests.support.fault_server import LATE_SECONDS, FaultServer, completion, random_faults
from tests.support.hostile_json import damaged

QUICK = RetryPolicy(initial_backoff=0.005, max_backoff=0.01, throttle_wait=0.02, max_throttle_wait=0.05)
KEY = "sk-very-secret-0123456789"


def endpoint(server_or_url, retry_policy: RetryPolicy = QUICK, **changes) -> LiveEndpoint:
    url = getattr(server_or_url, "base_url", server_or_url)
    values = {"model": "m", "base_url": url, "concurrency": "2-16", "timeout": 5, **changes}
    return LiveEndpoint(EndpointConfig.parse(values, "test"), random.Random(0), retry_policy)


def request(prompt: str = "p", **parameters) -> Request:
    return Request(prompt, "m", parameters, "x")


def ask(server, prompts=("p",), before=None, **changes) -> list:
    """Ask all prompts at once; a failed one gives its exception."""

    async def run() -> list:
        live = endpoint(server, **changes)
        try:
            if before:
                before(live)
            return await asyncio.gather(*(live.answer(request(p)) for p in prompts), return_exceptions=True)
        finally:
            await live.close()

    return asyncio.run(run())


def echo(body: dict) -> str:
    return f"answer to {body['messages'][0]['content']}"


def first(n: int, fault: str):
    """A plan: the first `n` requests meet the fault."""
    return lambda number, body: fault if number < n else None


def test_an_answer_with_its_tokens():
    with FaultServer(echo) as server:
        assert ask(server) == [Completion("answer to p", "stop", 100, 20)]


def test_the_body_is_the_request_and_nothing_else():
    async def run(server) -> None:
        live = endpoint(server)
        await live.answer(request("p", temperature=0.5, top_k=3, response_format={"type": "json_object"}))
        await live.close()

    with FaultServer(echo) as server:
        asyncio.run(run(server))
    body = {"temperature": 0.5, "top_k": 3, "response_format": {"type": "json_object"}}
    assert server.bodies == [{"model": "m", "messages": [{"role": "user", "content": "p"}], **body}]


@pytest.mark.parametrize(
    "fault",
    ["500", "502", "503", "504", "529", "408", "429", "429 date", "429 ms", "429 bare", "drop", "drop after head",
     "half body", "lost", "wrong json", "html", "empty choices", "error inside", "garbage"],
)  # fmt: skip
def test_retryable_faults_are_retried(fault):
    with FaultServer(echo, plan=first(2, fault)) as server:
        assert ask(server) == [Completion("answer to p", "stop", 100, 20)]
        assert (server.faults[fault], len(server.bodies)) == (2, 3)


def test_a_stall_times_out_and_is_retried():
    with FaultServer(echo, plan=first(1, "stall")) as server:
        assert ask(server, timeout=0.3)[0].text == "answer to p"


def test_a_slow_response_within_the_timeout_is_accepted():
    with FaultServer(echo, plan=first(1, "slow drip")) as server:
        assert ask(server)[0].text == "answer to p"
        assert len(server.bodies) == 1


def test_a_slow_response_beyond_the_timeout_is_retried():
    with FaultServer(echo, plan=first(1, "slow drip")) as server:
        assert ask(server, timeout=0.1)[0].text == "answer to p"
        assert len(server.bodies) == 2


def test_refusals_and_truncated_answers_are_answers():
    with FaultServer(echo, plan=first(1, "refusal")) as server:
        assert ask(server) == [Completion("I would rather not.", "refusal", 100, 20)]
    with FaultServer(echo, plan=first(1, "length")) as server:
        assert ask(server) == [Completion("answer to p", "length", 100, 20)]


def test_a_duplicate_response_is_never_taken_for_the_next_one():
    prompts = [f"prompt {i}" for i in range(60)]
    plan = random_faults(1, {"twice": 0.5})
    with FaultServer(echo, plan=plan) as server:
        answers = ask(server, prompts, concurrency="2")
        assert server.faults["twice"] > 10
    assert [a.text for a in answers] == [f"answer to {p}" for p in prompts]


def test_a_late_duplicate_is_never_taken_for_the_next_response():
    async def run(server) -> list[str]:
        live = endpoint(server, concurrency="1")
        said = []
        for i in range(20):
            said.append((await live.answer(request(f"prompt {i}"))).text)
            await asyncio.sleep(4 * LATE_SECONDS)
        await live.close()
        return said

    with FaultServer(echo, plan=lambda n, body: "twice late") as server:
        assert asyncio.run(run(server)) == [f"answer to prompt {i}" for i in range(20)]


def test_all_faults_together_still_give_the_right_answers():
    names = ["429", "429 bare", "500", "503", "drop", "lost", "half body", "drop after head", "wrong json", "twice"]
    plan = random_faults(5, dict.fromkeys([*names, "empty choices"], 0.04))
    prompts = [f"prompt {i}" for i in range(300)]
    with FaultServer(echo, plan=plan, latency=0.001) as server:
        answers = ask(server, prompts, attempts=12)
        assert all(server.faults[name] for name in names)
    assert [a.text for a in answers] == [f"answer to {p}" for p in prompts]


def test_a_request_fails_after_its_last_attempt():
    with FaultServer(echo, plan=lambda n, body: "500" if "bad" in str(body) else None) as server:
        good, bad = ask(server, ["good", "bad"], attempts=3)
        assert server.faults["500"] == 3
    assert good.text == "answer to good"
    assert isinstance(bad, RequestFailed)
    assert str(bad) == "status 500, 3 times"


def test_a_429_does_not_count_as_an_attempt():
    with FaultServer(echo, plan=first(6, "429 ms")) as server:
        assert ask(server, attempts=1)[0].text == "answer to p"


@pytest.mark.parametrize("status", ["400", "422"])
def test_rejected_requests_are_not_retried(status):
    with FaultServer(echo, plan=first(9, status)) as server:
        (failure,) = ask(server)
        assert len(server.bodies) == 1
    assert failure.status == int(status)
    assert isinstance(failure, RequestFailed)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "does not accept the key"),
        ("403", "does not accept the key"),
        ("404", "has no model m"),
        ("no money", "no credit left"),
        ("429 far", "asks to come back in 2.0 hours"),
    ],
)
def test_fatal_errors_end_the_run(fault, said):
    with FaultServer(echo, plan=first(9, fault)) as server:
        (error,) = ask(server)
        assert isinstance(error, EndpointError)
        assert said in str(error)
        assert server.base_url in str(error)
        assert len(server.bodies) == 1


def test_an_unreachable_server_is_reported_at_once():
    (error,) = ask("http://127.0.0.1:9/v1")
    assert isinstance(error, EndpointError)
    assert "http://127.0.0.1:9/v1: cannot be reached" in str(error)


def test_an_unreachable_server_is_reported_with_a_single_attempt():
    (error,) = ask("http://127.0.0.1:9/v1", attempts=1)
    assert isinstance(error, EndpointError)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "", "http://", "ftp://x/v1", "http://x:99999/v1", "http://[::1/v1"]
)
def test_an_invalid_url_is_rejected(url):
    with pytest.raises(ConfigError, match="is not a valid URL; write it in full"):
        endpoint(url)


def test_retries_are_counted_by_reason():
    said = []
    with FaultServer(echo, plan=lambda n, body: {0: "drop", 1: "garbage", 2: "stall"}.get(n)) as server:
        ask(server, ["a"], before=lambda live: said.append(live.retried), timeout=0.5)
    assert list(said[0].items()) == [
        ("connection failed: Server disconnected", 1),
        ("connection failed: the response is not HTTP", 1),
        ("no answer in 0.5 s", 1),
    ]


def test_a_retry_after_of_zero_does_not_exhaust_the_bursts():
    with FaultServer(echo, plan=first(4, "429 zero")) as server:
        retry_policy = RetryPolicy(throttle_wait=0.02, max_throttle_wait=0.5)
        assert ask(server, retry_policy=retry_policy)[0].text == "answer to p"
        # 0, then 40, 80 and 160 ms, minus the jitter
        assert server.times[-1] - server.times[0] >= 0.75 * 0.28


def test_a_prompt_that_cannot_be_encoded_fails():
    with FaultServer(echo) as server:
        (failure,) = ask(server, ["half a pair: \ud800"])
        assert isinstance(failure, RequestFailed)
        assert "surrogate" in str(failure)
        assert server.bodies == []


def test_a_server_that_disconnects_later_is_retried():
    with FaultServer(echo, plan=lambda n, body: None if n == 0 or n > 6 else "drop") as server:
        answers = ask(server, ["a", "b"], concurrency="1")
        assert [a.text for a in answers] == ["answer to a", "answer to b"]


def test_a_high_error_rate_ends_the_run_with_the_most_common_reasons():
    faults = {0: "500", 1: "502", 2: "wrong json"}

    def plan(number, body):
        i = int(body["messages"][0]["content"])
        return None if i % 2 else faults[i % 3]

    async def run(server) -> list:
        live = endpoint(server, attempts=1, concurrency="1")
        outcomes = []
        for i in range(60):
            try:
                outcomes.append(await live.answer(request(str(i))))
            except RequestFailed:
                pass
            except EndpointError as error:
                return [i, str(error)]
        return outcomes

    with FaultServer(echo, plan=plan) as server:
        number, said = asyncio.run(run(server))
    assert number == 20  # the 21st: the first failure after at least twenty outcomes
    assert "11 of the last 21 requests failed, most often: status 5" in said
    assert said.count("times)") == 3


def test_a_low_error_rate_does_not_end_the_run():
    def plan(number, body):
        return "500" if body["messages"][0]["content"].endswith("7") else None

    with FaultServer(echo, plan=plan) as server:
        answers = ask(server, [str(i) for i in range(100)], attempts=1)
    assert sum(isinstance(a, RequestFailed) for a in answers) == 10
    assert not any(isinstance(a, EndpointError) for a in answers)


def test_retry_after_holds_back_all_requests():
    with FaultServer(echo, plan=first(1, "429"), retry_after="0.4") as server:
        ask(server, [str(i) for i in range(10)], concurrency="1")
        assert server.times[1] - server.times[0] >= 0.4


def test_concurrency_grows_up_to_its_maximum():
    with FaultServer(echo, latency=0.01) as server:
        ask(server, [str(i) for i in range(200)], concurrency="2-8")
        assert server.most_at_once == 8


def test_256_connections_are_opened_and_reused():
    with FaultServer(echo, latency=0.3) as server:
        answers = ask(server, [str(i) for i in range(700)], concurrency="256", timeout=60)
        assert all(isinstance(a, Completion) for a in answers)
        assert server.most_at_once == 256
        assert server.connections <= 256


def test_stop_sends_no_more_and_waits_for_requests_in_flight():
    async def run(server) -> list:
        live = endpoint(server, concurrency="3")
        tasks = [asyncio.create_task(live.answer(request(str(i)))) for i in range(10)]
        while server.in_flight < 3:
            await asyncio.sleep(0.001)
        live.stop()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        live.resume()
        outcomes.append(await live.answer(request("later")))
        await live.close()
        return outcomes

    with FaultServer(echo, latency=0.1) as server:
        outcomes = asyncio.run(run(server))
        assert len(server.bodies) == 4
    assert [type(o) for o in outcomes] == [Completion] * 3 + [RunStopped] * 7 + [Completion]


def test_stop_ends_a_backoff():
    async def run(server) -> float:
        live = endpoint(server, retry_policy=RetryPolicy(initial_backoff=3_600, max_backoff=3_600))
        task = asyncio.create_task(live.answer(request()))
        while not server.faults["500"]:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        live.stop()
        started = time.monotonic()
        with pytest.raises(RunStopped):
            await asyncio.wait_for(task, 60)
        await live.close()
        return time.monotonic() - started

    with FaultServer(echo, plan=first(9, "500")) as server:
        asyncio.run(run(server))


def test_the_key_is_sent_and_never_shown(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", KEY)
    with FaultServer(echo, plan=first(9, "401")) as server:
        (error,) = ask(server, api_key_env="SECRET_KEY")
        assert server.keys == {KEY}
    assert "wrong key: ***" in str(error)
    assert "SECRET_KEY" in str(error)
    for fault in ("400", "404"):
        with FaultServer(echo, plan=first(9, fault)) as server:
            (error,) = ask(server, api_key_env="SECRET_KEY")
        assert KEY not in f"{error!s} {error!r} {error.__cause__!r} {error.__context__!r}"


def test_the_key_is_not_shown_when_the_response_is_not_http(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", KEY)
    with FaultServer(echo, plan=lambda n, body: "garbage") as server:
        (error,) = ask(server, api_key_env="SECRET_KEY", attempts=2)
    assert isinstance(error, EndpointError)
    assert KEY not in f"{error!s} {error!r} {error.__cause__!r} {error.__context__!r}"


def test_whitespace_around_a_key_is_stripped(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", f" {KEY}\n")
    with FaultServer(echo) as server:
        assert ask(server, api_key_env="SECRET_KEY")[0].text == "answer to p"
        assert server.keys == {KEY}


@pytest.mark.parametrize("key", ["sk-\u00e9", "sk-a\nb"])
def test_a_key_that_cannot_be_sent_is_rejected_and_not_shown(monkeypatch, key):
    monkeypatch.setenv("SECRET_KEY", key)
    with pytest.raises(ConfigError, match="SECRET_KEY contains characters that are not allowed") as caught:
        endpoint("https://api.example.com/v1", api_key_env="SECRET_KEY")
    assert key not in str(caught.value)


def test_a_missing_key_is_named(monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(ConfigError, match="SECRET_KEY is not set; set it to the key of"):
        endpoint("https://api.example.com/v1", api_key_env="SECRET_KEY")
    for local in ("http://localhost:8000/v1", "http://10.0.0.3/v1", "http://gpu-box:8000/v1", "http://[::1]/v1"):
        endpoint(local, api_key_env="SECRET_KEY")
    endpoint("https://api.example.com/v1", api_key_env=None)


def test_traffic_counts_failures():
    said = []
    with FaultServer(echo, plan=lambda n, body: {0: "429 ms", 1: "500"}.get(n)) as server:
        ask(server, before=lambda live: said.append(live.traffic))
        assert said[0]() == "0 of 1 at once (reduced after overload), 1 rate-limited (429), 1 retried"


def test_answers_in_parts_and_invalid_counts_are_parsed():
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}, "three"]
    content = {"choices": [{"message": {"content": parts}}], "usage": {"prompt_tokens": "many", "completion_tokens": 2}}
    assert parse_completion(content, "") == Completion("one two", "stop", 0, 2)
    for usage in ("n/a", [1], None, {"prompt_tokens": {}, "completion_tokens": float("nan")}):
        assert parse_completion({**content, "usage": usage}, "") == Completion("one two", "stop", 0, 0)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_an_empty_answer_next_to_thoughts_is_told_apart(field):
    message = {"content": None, field: "Let me think."}
    assert parse_completion({"choices": [{"message": message, "finish_reason": "stop"}]}, "").finish == "thoughts"
    assert parse_completion({"choices": [{"message": message, "finish_reason": "length"}]}, "").finish == "length"
    answered = {"choices": [{"message": {**message, "content": "Yes."}}]}
    # the thoughts are paid for and not kept, so their tokens are estimated here
    assert parse_completion(answered, "") == Completion("Yes.", "stop", 0, 5, is_estimated=True)
    counted = {**answered, "usage": {"prompt_tokens": 9, "completion_tokens": 7}}
    assert parse_completion(counted, "") == Completion("Yes.", "stop", 9, 7)


def test_the_message_about_a_body_without_choices_does_not_quote_the_key():
    with pytest.raises(RetryableError, match=re.escape("(no such key ***)")):
        parse_completion({"error": {"message": "no such key sk-1"}}, "sk-1")


BODY = {**completion("an answer"), "error": {"message": "m", "code": "c"}}
BODY["choices"][0]["message"] |= {"reasoning_content": "thoughts"}


@given(damaged(BODY))
def test_any_body_is_an_answer_that_can_be_stored_or_a_reason(body):
    try:
        answer = parse_completion(body, "secret-key")
    except RetryableError as error:
        assert error.reason.startswith("the response contains no choice")
        assert "secret-key" not in error.reason
        error.reason.encode()
        return
    (answer.text + answer.finish).encode()
    assert 0 <= answer.input_tokens < 2**63
    assert 0 <= answer.output_tokens < 2**63


@given(st.sampled_from([400, 401, 402, 404, 422, 429, 500, 503]), damaged({"error": {"message": "m", "code": "c"}}))
def test_any_error_body_is_a_reason(status, body):
    config = EndpointConfig(model="m", base_url="http://127.0.0.1:9/v1", api_key_env=None)
    found = error_for_status(status, {}, body, config, "secret-key")
    assert isinstance(found, RetryableError | RateLimited | RequestFailed | EndpointError)
    str(found).encode()
    assert "secret-key" not in str(found)

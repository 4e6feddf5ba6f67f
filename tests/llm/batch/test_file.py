import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.llm.batch.file import RequestNotRun, fill_missing, read, request_line, split
from in2_plugin.llm.request import Completion, Request, RequestFailed
from tests.support.fault_server import completion
from tests.support.hostile_json import damaged, line


def request(prompt: str, **parameters) -> Request:
    return Request(prompt, "m", parameters, "x")


def out(key: bytes, text: str = "a", status: int = 200, body: object = None, error: object = None) -> bytes:
    response = {"status_code": status, "body": completion(text) if body is None else body}
    return json.dumps({"custom_id": key.hex(), "response": response, "error": error}).encode()


A, B = b"a" * 32, b"b" * 32


def test_a_line_is_the_request_with_its_key():
    sent = request("p", temperature=0.5, response_format={"type": "json_object"})
    assert json.loads(request_line(sent)) == {
        "custom_id": sent.key.hex(),
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "m",
            "messages": [{"role": "user", "content": "p"}],
            "temperature": 0.5,
            "response_format": {"type": "json_object"},
        },
    }


@given(st.text(st.characters(exclude_categories=())))
def test_any_prompt_is_one_line_of_ascii(prompt):
    line = request_line(request(prompt))
    assert line.isascii()
    assert line.splitlines() == [line[:-1]]
    assert json.loads(line)["body"]["messages"][0]["content"] == prompt


@given(st.lists(st.text(max_size=50)), st.integers(250, 1_000))
def test_files_contain_each_request_once_within_the_limit(prompts, max_bytes):
    requests = [request(p) for p in prompts]
    parts = list(split(requests, max_bytes))
    assert [r.key for part in parts for r in part] == list(dict.fromkeys(r.key for r in requests))
    for part in parts:
        assert len(part) == 1 or sum(len(request_line(r)) for r in part) <= max_bytes


def test_a_file_has_no_more_requests_than_allowed(monkeypatch):
    monkeypatch.setattr("in2_plugin.llm.batch.file.MAX_REQUESTS", 3)
    assert [len(part) for part in split([request(str(i)) for i in range(8)])] == [3, 3, 2]


def test_lines_go_to_their_requests_in_any_order():
    lines = read([b"\n".join([out(B, "b"), b"", out(A, "a")])], [A, B], "")
    assert lines.outcomes == {A: Completion("a", "stop", 100, 20), B: Completion("b", "stop", 100, 20)}
    assert lines.broken == 0


def test_the_first_answer_is_kept_and_replaces_a_failure():
    failed = out(A, status=500, body={"error": {"message": "oh"}})
    assert read([out(A, "1") + b"\n" + out(A, "2")], [A], "").outcomes[A].text == "1"
    assert read([failed, out(A, "late")], [A], "").outcomes[A].text == "late"
    assert read([out(A, "early"), failed], [A], "").outcomes[A].text == "early"


def test_unknown_keys_are_ignored():
    assert read([out(B)], [A], "").outcomes == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (out(A, status=400, body={"error": {"message": "too\nlong"}}), "400 too long"),
        (out(A, status=500, body="oops"), "500 oops"),
        (out(A, status=503, body={}), "503 no reason given"),
        (out(A, body={"choices": []}), "the response contains no choice"),
        (b'{"custom_id": "%s", "response": null, "error": {"message": "no sk-1"}}' % A.hex().encode(), "no ***"),
        (b'{"custom_id": "%s"}' % A.hex().encode(), "no reason given"),
        (b'{"custom_id": "%s", "response": {}}' % A.hex().encode(), "0 no reason given"),
    ],
)
def test_failures_have_a_one_line_reason(line, message):
    failure = read([line], [A], "sk-1").outcomes[A]
    assert isinstance(failure, RequestFailed)
    assert not isinstance(failure, RequestNotRun)
    assert str(failure) == message


def test_a_rejection_has_its_status():
    assert read([out(A, status=422, body={})], [A], "").outcomes[A].status == 422


def test_expired_requests_count_as_not_run():
    line = json.dumps({"custom_id": A.hex(), "response": None, "error": {"code": "batch_expired", "message": "m"}})
    outcomes = read([line.encode()], [A, B], "").outcomes
    fill_missing(outcomes, [A, B], "cancelled")
    assert [type(outcomes[key]) for key in (A, B)] == [RequestNotRun, RequestNotRun]
    assert [str(outcomes[key]) for key in (A, B)] == [
        "the batch ended without an answer (expired)",
        "the batch ended without an answer (cancelled)",
    ]


@pytest.mark.parametrize("broken", [b'{"custom_id": "61', b"3", b"{}", b'{"custom_id": 3}', b'{"custom_id": "xyz"}'])
def test_broken_lines_are_counted_and_the_others_parsed(broken):
    lines = read([broken + b"\n" + out(A)], [A], "")
    assert (lines.broken, list(lines.outcomes)) == (1, [A])


@given(st.binary())
def test_no_content_raises(content):
    assert read([content], [A], "").outcomes == {}


LINE = json.loads(out(A, "a", error={"code": "batch_expired", "message": "too late"}))


@given(st.lists(damaged(LINE), max_size=4))
def test_any_line_is_an_outcome_that_can_be_stored_or_counts_as_broken(lines):
    found = read([b"\n".join(map(line, lines))], [A], "secret-key")
    assert set(found.outcomes) <= {A}
    for outcome in found.outcomes.values():
        stored = outcome.text + outcome.finish if isinstance(outcome, Completion) else str(outcome)
        stored.encode()
        assert isinstance(outcome, Completion) or "secret-key" not in stored


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"[" * 5_000, b'{"custom_id": ' + b"9" * 5_000 + b"}", b"null", b'""'])
def test_a_line_that_is_no_request_counts_as_broken(raw):
    assert read([raw], [A], "").broken == 1

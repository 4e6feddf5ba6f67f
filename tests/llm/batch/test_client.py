from pathlib import Path

import pytest
from hypothesis import given

from in2_plugin.errors import EndpointError
from in2_plugin.llm.batch.client import BatchState, parse_batch
from in2_plugin.llm.request import Completion
from tests.support.batch_runs import ask, statuses
from tests.support.batch_server import BatchServer
from tests.support.hostile_json import damaged

KEY = "sk-very-secret-0123456789"
CALLS = ["upload", "create", "retrieve", "download"]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "work.sqlite"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", ["500", "503", "429", "drop", "lost", "html"])
def test_retryable_faults_are_retried_and_nothing_is_computed_twice(path, call, error):
    with BatchServer() as server:
        # a lost creation is not retried: the batch is found
        server.faults_by_call[call] = [error] * (1 if (call, error) == ("create", "lost") else 2)
        answers = ask(server, path, range(10))
        assert [a.text for a in answers] == [f"answer to {i}" for i in range(10)]
        assert (set(server.paid.values()), len(server.batches)) == ({1}, 1)
        assert not server.faults_by_call[call]
    assert statuses(path) == ["completed"]


@pytest.mark.parametrize("error", ["html", "half"])
@pytest.mark.parametrize("count", [10, 11])
def test_an_incomplete_file_is_downloaded_again(path, error, count):
    # half of ten lines is five complete ones: only the count shows that some are missing
    with BatchServer() as server:
        server.faults_by_call["download"] = [error] * 2
        answers = ask(server, path, range(count))
        assert all(isinstance(a, Completion) for a in answers)
        assert server.calls["download"] == 3


def test_a_lost_creation_is_found_among_many_batches(path):
    with BatchServer() as server:
        ask(server, path, ["older"])
        for i in range(7):
            server.batches[f"other-{i}"] = {**server.batches["batch-0"], "id": f"other-{i}", "metadata": None}
        server.faults_by_call["create"] = ["lost"]
        server.faults_by_call["list"] = ["503"]
        (answer,) = ask(server, path, ["newer"])
        assert answer.text == "answer to newer"
        assert set(server.paid.values()) == {1}


def test_polling_is_retried_beyond_the_attempts_of_a_live_request(path):
    with BatchServer() as server:
        server.faults_by_call["retrieve"] = ["500"] * 6
        (answer,) = ask(server, path, ["p"], attempts=2)
        assert answer.text == "answer to p"


def test_an_upload_that_gives_up_is_repeated_by_the_next_run(path):
    with BatchServer() as server:
        server.faults_by_call["upload"] = ["500"] * 3
        (error,) = ask(server, path, ["p"], attempts=3)
        assert isinstance(error, EndpointError)
        assert f"{server.base_url}: status 500, 3 times in a row; run again later" in str(error)
        assert statuses(path) == ["lost"]
        (answer,) = ask(server, path, ["p"])
        assert answer.text == "answer to p"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("upload", "401", "does not accept the key"),
        ("upload", "404", "has no Batch API (404); set `mode: live`"),
        ("upload", "405", "has no Batch API (405); set `mode: live`"),
        ("upload", "no money", "no credit left"),
        ("upload", "413", "rejected the batch (413"),
        ("create", "400", "rejected the batch (400"),
        ("create", "403", "does not accept the key"),
        ("retrieve", "401", "does not accept the key"),
        ("retrieve", "404", "does not have batch batch-0, which an earlier run submitted (404)"),
        ("download", "404", "does not have the answers of batch batch-0"),
    ],
)
def test_fatal_errors_end_the_run(path, monkeypatch, call, error, message):
    monkeypatch.setenv("SECRET_KEY", KEY)
    with BatchServer() as server:
        server.faults_by_call[call] = [error]
        errors = ask(server, path, ["p", "q"], api_key_env="SECRET_KEY")
        assert {type(e) for e in errors} == {EndpointError}
        assert message in str(errors[0])
        assert server.base_url in str(errors[0])
        assert KEY not in f"{errors[0]!s} {errors[0]!r} {errors[0].__cause__!r} {errors[0].__context__!r}"


def test_an_unreachable_server_is_reported_at_once(path):
    (error,) = ask("http://127.0.0.1:9/v1", path, ["p"])
    assert isinstance(error, EndpointError)
    assert "http://127.0.0.1:9/v1: cannot be reached" in str(error)


BATCH = {
    "id": "batch-1",
    "status": "failed",
    "request_counts": {"total": 2, "completed": 1, "failed": 1},
    "output_file_id": "file-1",
    "error_file_id": None,
    "errors": {"data": [{"code": "token_limit_exceeded", "message": "full"}]},
    "metadata": {"in2": "our name"},
}


def test_a_batch_is_parsed():
    assert parse_batch(BATCH) == BatchState(
        "batch-1", "failed", 1, 1, ("file-1",), "full", "token_limit_exceeded", "our name"
    )
    assert parse_batch({"id": "b", "status": "validating"}) == BatchState("b", "validating")


@given(damaged(BATCH))
def test_any_json_in_the_place_of_a_batch_is_a_batch_or_unreadable(content):
    try:
        found = parse_batch(content)
    except ValueError:
        return
    assert found.id
    assert found.status
    assert all(isinstance(name, str) and name for name in found.files)


@pytest.mark.parametrize("call", ["upload", "create", "retrieve", "list"])
@pytest.mark.parametrize("body", [b"null", b"[]", b'{"id": 7}', b'{"data": {}}', b"[" * 5_000])
def test_json_of_another_form_is_retried(path, call, body):
    with BatchServer() as server:
        server.faults_by_call[call] = [body]
        server.faults_by_call["create"] += ["lost"] if call == "list" else []
        (answer,) = ask(server, path, ["p"])
        assert answer.text == "answer to p"
        assert not server.faults_by_call[call]


def test_batches_of_other_programs_in_any_form_are_passed_over(path):
    with BatchServer() as server:
        server.batches = {f"other-{i}": odd for i, odd in enumerate([{"id": "x"}, {"id": "y", "metadata": [1]}, {}])}
        server.faults_by_call["create"] = ["lost"]
        (answer,) = ask(server, path, ["p"])
        assert answer.text == "answer to p"

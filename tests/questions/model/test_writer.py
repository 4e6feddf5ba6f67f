import re
import sqlite3
import threading
from itertools import islice

import pytest

from in2_plugin.config import QuestionsConfig
from in2_plugin.errors import ConfigError, EndpointError, SpendingStopped
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.questions import Kind, Passage, Question
from in2_plugin.questions.collection import collect
from in2_plugin.questions.model.writer import ModelWriter
from in2_plugin.questions.yield_check import YieldCheck
from tests.support.batch_server import BatchServer
from tests.support.fault_server import FaultServer, default_reply


def passages(n: int = 10**6):
    for i in range(n):
        text = f"Harbour {i} was founded in the year {1800 + i} by fishermen from the northern islands of the bay."
        yield Passage(Kind.FINE_GRAINED, i, (i,), (text,), 0)


def config(server, judge=None, **changes) -> QuestionsConfig:
    endpoint = {"model": "m", "base_url": server.base_url, "api_key_env": None, "concurrency": "2-8", "timeout": 10}
    values = {"writer": "endpoint", "endpoint": {**endpoint, **changes}}
    if judge:
        values["verify"] = {
            "fine_grained": ["answerable"],
            "judge": {**endpoint, "base_url": judge.base_url, "model": "j"},
        }
    return QuestionsConfig.parse(values, "test")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "work.sqlite"


def write(settings: QuestionsConfig, path, wanted: int, drawn=None) -> list:
    """Take results until there are `wanted` questions."""
    taken: list = []
    with ModelWriter(settings, path, print) as writer:
        missing = wanted
        results = writer.write(drawn or passages(), lambda: missing)
        for result in results:
            taken.append(result)
            missing -= isinstance(result, Question)
            if not missing:
                break
        results.close()
    return taken


def test_results_come_in_the_order_of_the_passages(path):
    with FaultServer(latency=0.01) as server:
        taken = write(config(server), path, 50)
    assert [question.document for question in taken] == list(range(50))


def test_a_second_kind_goes_on_with_the_same_connections(path):
    with FaultServer() as server, ModelWriter(config(server), path, print) as writer:
        for _ in range(3):
            results = writer.write(passages(), lambda: 10)
            assert len(list(islice(results, 10))) == 10
            results.close()
        assert writer.name == "endpoint:m/prompts-1"
        assert "requests/s" in writer.detail()
        assert "from the work log" in writer.detail()


def test_the_end_of_the_passages_is_the_end(path):
    with FaultServer() as server:
        assert len(write(config(server), path, 10, passages(4))) == 4
        assert write(config(server), path, 10, iter(())) == []


def test_the_format_is_asked_for_once_and_remembered(path):
    with FaultServer(plan=lambda number, body: "no schema") as server:
        write(config(server), path, 20)
        assert sum("response_format" in body for body in server.bodies) == 1
        write(config(server), path, 30)
        assert sum("response_format" in body for body in server.bodies) == 1
    log = WorkLog(path, read_only=True)
    assert log.fact("answer_format m") == "markers"
    log.close()


def test_a_set_format_is_not_asked_for(path):
    with FaultServer() as server:
        write(config(server, answer_format="markers"), path, 5)
        assert not any("response_format" in body for body in server.bodies)


def test_when_the_first_request_is_refused_either_way_nothing_is_remembered(path):
    with FaultServer(plan=lambda number, body: "400") as server:
        with pytest.raises(EndpointError, match=r"with a JSON schema: 400.*without one: 400"):
            write(config(server), path, 5)
        assert len(server.bodies) == 2
    log = WorkLog(path, read_only=True)
    assert log.fact("answer_format m") is None
    log.close()


def test_a_judge_of_its_own(path):
    with FaultServer() as server, FaultServer() as judge:
        taken = write(config(server, judge), path, 10)
        assert {body["model"] for body in server.bodies} == {"m"}
        assert {(body["model"], body["temperature"]) for body in judge.bodies} == {("j", 0)}
    assert all(question.verified == ("answerable",) for question in taken if isinstance(question, Question))


def test_changed_parameters_ask_anew_and_the_old_answers_stay(path):
    with FaultServer() as server:
        write(config(server, parameters={"temperature": 1}), path, 10)
        write(config(server, parameters={"temperature": 0.5}), path, 10)
        write(config(server, parameters={"temperature": 1}), path, 10)
        assert {body["temperature"] for body in server.bodies} == {1, 0.5}
        assert max(server.paid.values()) == 2  # once with each


def test_a_missing_key_is_said_before_anything_is_sent(path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    settings = QuestionsConfig.parse(
        {
            "writer": "endpoint",
            "endpoint": {"model": "m", "base_url": "https://api.example.com/v1", "api_key_env": "NO_SUCH_KEY"},
        },
        "test",
    )
    threads = threading.active_count()
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"), ModelWriter(settings, path, print):
        pass
    assert threading.active_count() == threads


def test_nothing_is_left_behind(path):
    threads = threading.active_count()
    with FaultServer() as server:
        write(config(server), path, 10)
        with pytest.raises(EndpointError), ModelWriter(config(server), path, print) as writer:
            raise EndpointError(writer.name)
    assert threading.active_count() == threads
    assert [file.name for file in path.parent.iterdir()] == ["work.sqlite"]


def test_trials_tell_what_each_passage_costs(path):
    def long_for_the_first(body):
        return default_reply(body) if "Harbour 0 " not in str(body) else "I would rather talk about the weather."

    with FaultServer(long_for_the_first) as server, ModelWriter(config(server), path, print) as writer:
        first, second = writer.trials(list(passages(2)))
    # asked, and asked again with the reason
    assert (first.writer.answers, second.writer.answers) == (2, 1)
    assert first.judge.answers == 0
    assert isinstance(second.results[0], Question)


POEM = "Here is a poem instead."


def stored(path) -> int:
    log = WorkLog(path, read_only=True)
    answers = sum(usage.answers for usage in log.totals().values())
    log.close()
    return answers


def collect_all(settings: QuestionsConfig, path, wanted: int) -> int:
    """Collect as a build does, with its check; return the number of questions."""
    with ModelWriter(settings, path, print) as writer:
        check = YieldCheck(settings.min_yield, "fine-grained questions")
        found = collect(writer, passages(), wanted, set(), lambda _: None, lambda _: None, lambda _: None, check)
    return found.kept


def test_useless_answers_stop_the_run_and_a_resumed_one_at_the_same_passage(path):
    with FaultServer(lambda body: POEM) as server:
        with pytest.raises(SpendingStopped, match="0 of the last 90 passages") as first:
            collect_all(config(server), path, 1_000)
        paid = server.paid.total()
        # two calls a passage, and those in flight when it stopped
        assert 180 <= paid <= 180 + 4 * 8 * 2
        assert stored(path) == paid
        with pytest.raises(SpendingStopped) as again:
            collect_all(config(server), path, 1_000)
        assert str(again.value) == str(first.value)
        # the few that are begun before the stored answers are counted
        assert server.paid.total() - paid <= 4 * 8


def test_limits_of_calls_hold_over_runs_and_a_higher_one_goes_on(path):
    with FaultServer(latency=0.001) as server:

        def limited(max_calls: int | None) -> QuestionsConfig:
            return config(server).model_copy(update={"max_calls": max_calls})

        for limit in (30, 30, 50):
            with pytest.raises(SpendingStopped, match=f"max_calls: {limit}"):
                collect_all(limited(limit), path, 100)
            assert server.paid.total() == limit
        assert collect_all(limited(100), path, 100) == 100
        assert server.paid.total() == 100


def test_the_judge_counts_and_costs_as_well(path):
    prices = {"input": 1_000.0, "output": 1_000.0}
    with FaultServer() as server, FaultServer() as judge:
        asked = config(server, judge, prices=prices, parameters={"max_tokens": 20}).model_dump()
        asked["verify"]["judge"] |= {"prices": prices, "parameters": {"max_tokens": 20}}
        settings = QuestionsConfig.parse({**asked, "max_cost": 20.0}, "test")
        with pytest.raises(SpendingStopped, match=re.escape("max_cost: 20.0")):
            collect_all(settings, path, 1_000)
        log = WorkLog(path, read_only=True)
        cost = sum(usage.tokens for usage in log.totals().values()) / 1_000
        log.close()
        assert judge.paid.total()
        assert 18 < cost <= 20


def test_jobs_share_what_is_left_of_a_limit(path):
    known, own = path, path.with_name("own.sqlite")
    with FaultServer() as server:
        write(config(server), known, 10)
        paid = server.paid.total()
        settings = config(server).model_copy(update={"max_calls": paid + 40})
        with ModelWriter(settings, own, print, known_log=known, jobs=4) as writer, pytest.raises(SpendingStopped):
            list(writer.write(passages(), lambda: 1_000))
        assert server.paid.total() == paid + 10


def test_batches_hold_no_more_requests_than_a_limit_allows(path):
    with BatchServer(default_reply) as server:
        limited = {"mode": "batch", "batch_requests": 8, "poll_seconds": 0.05, "answer_format": "json_schema"}
        for limit in (20, 30):
            settings = config(server, **limited).model_copy(update={"max_calls": limit})
            with pytest.raises(SpendingStopped, match=f"max_calls: {limit}"):
                collect_all(settings, path, 100)
            assert server.paid.total() == stored(path) == limit
        assert set(server.paid.values()) == {1}


def test_enough_stored_answers_complete_a_build_at_its_limit(path):
    """Some answers are useless, one passage failed when it was first asked; the limit leaves no further call."""
    failing = True

    def reply(body):
        return "Rain." if "Harbour 7 " in str(body) else default_reply(body)

    def fault(number, body):
        return "400" if failing and "Harbour 3 " in str(body) else None

    with FaultServer(reply, plan=fault) as server:
        assert collect_all(config(server), path, 100) == 100
        failing, paid = False, server.paid.total()
        full = config(server).model_copy(update={"max_calls": paid})
        assert collect_all(full, path, 100) == 100
        with pytest.raises(SpendingStopped, match=f"max_calls: {paid}"):
            collect_all(full, path, 200)
        assert server.paid.total() == paid


def test_a_run_that_has_enough_does_not_mind_calls_that_wait_for_a_limit(path):
    """Ten calls are in flight, and more wait for one of them, when the first question is all that is missing."""
    with FaultServer(latency=0.2) as server:
        settings = config(server, concurrency="16-16").model_copy(update={"max_calls": 10})
        with ModelWriter(settings, path, print) as writer:
            missing = [20]
            results = writer.write(passages(), lambda: missing[0])
            taken = [next(results)]
            missing[0] = 0
            results.close()
    assert isinstance(taken[0], Question)
    assert server.paid.total() == 10


def test_the_message_of_a_job_names_the_limit_of_the_build_file(path):
    with FaultServer() as server:
        settings = config(server).model_copy(update={"max_calls": 100})
        with (
            ModelWriter(settings, path, print, jobs=8) as writer,
            pytest.raises(
                SpendingStopped, match=r"max_calls: 100` is reached \(12 calls paid\): this job may use 1/8 of"
            ),
        ):
            list(writer.write(passages(), lambda: 1_000))


def test_stored_answers_of_unknown_cost_are_said_before_money_is_spent(path):
    priced = {"prices": {"input": 1.0, "output": 1.0}}
    with FaultServer() as server:
        write(config(server, **priced), path, 5)
        with sqlite3.connect(path) as old:
            old.execute("UPDATE answers SET input_tokens = 0, output_tokens = 0")
        old.close()
        lines: list[str] = []
        for settings in (config(server, **priced), config(server, **priced).model_copy(update={"max_cost": 1.0})):
            with ModelWriter(settings, path, lines.append):
                pass
    assert len(lines) == 1
    assert re.match(r"`questions.max_cost` counts \d+ stored answers as free", lines[0])

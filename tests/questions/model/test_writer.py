import threading
from itertools import islice

import pytest

from in2_plugin.config import QuestionsConfig
from in2_plugin.errors import ConfigError, EndpointError
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.questions import Kind, Passage, Question
from in2_plugin.questions.model.writer import ModelWriter
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

"""Answers are asked for once, stay within the limits, and an unusable judge is not paid for long."""

import pytest

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError, EndpointError, FolderLocked, SpendingStopped
from in2_plugin.llm.request import Request
from in2_plugin.probing.judging.session import JudgeConfig, JudgeSession
from tests.support.fault_server import FaultServer

PRICES = {"input": 10_000, "output": 0}  # a call with 100 tokens in costs 1


def config(server, max_calls=None, max_cost=None, **endpoint) -> JudgeConfig:
    section = {
        "model": "j", "base_url": server.base_url, "concurrency": 2, "parameters": {"max_tokens": 8}, **endpoint,
    }  # fmt: skip
    return JudgeConfig(EndpointConfig.parse(section, "test"), max_calls, max_cost)


def requests(folder, n):
    return [(folder, Request(f"answer {i} " * 50, "j", {"max_tokens": 8}, "judge")) for i in range(n)]


def judge(config, folders, asked):
    outcomes = {}
    with JudgeSession(config, folders, print) as session:
        try:
            session.judge(asked, outcomes.__setitem__)
        finally:
            paid = session.paid.answers
    return list(outcomes.values()), paid


def yes(body: dict) -> str:
    return "YES"


def test_each_answer_is_asked_for_once_over_all_runs_and_folders(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    with FaultServer(yes) as server:
        asked = [*requests(folders[0], 6), *requests(folders[1], 8)]
        assert judge(config(server), folders, asked) == ([True] * 8, 8)
        assert judge(config(server), folders, asked) == ([True] * 8, 0)
        assert server.paid.total() == 8


def test_faults_of_delivery_are_retried(tmp_path):
    faults = dict(enumerate(["429", "500", "drop", "wrong json"]))
    with FaultServer(yes, plan=lambda number, body: faults.get(number)) as server:
        assert judge(config(server), [tmp_path], requests(tmp_path, 5))[0] == [True] * 5


def test_a_refused_request_has_no_verdict_and_is_sent_again_the_next_time(tmp_path):
    plan = {3: "400"}
    with FaultServer(yes, plan=lambda number, body: plan.pop(number, None)) as server:
        outcomes, paid = judge(config(server), [tmp_path], requests(tmp_path, 8))
        assert paid == 7 and sorted(map(str, outcomes))[-1].startswith("no answer of the judge: 400")
        assert judge(config(server), [tmp_path], requests(tmp_path, 8)) == ([True] * 8, 1)


@pytest.mark.parametrize("limit", [{"max_calls": 5}, {"max_cost": 5, "prices": PRICES}])
def test_limits_hold_over_all_runs(tmp_path, limit):
    name = r"`--max-calls 5` is reached" if "max_calls" in limit else "`--max-cost 5` leaves too little"
    with FaultServer(yes) as server:
        for _ in range(2):
            with pytest.raises(SpendingStopped, match=name):
                judge(config(server, **limit), [tmp_path], requests(tmp_path, 50))
        # a call in flight counts with an upper bound of its cost, which is more than one
        assert server.paid.total() == (5 if "max_calls" in limit else 3)


def test_a_server_without_usage_is_not_free(tmp_path):
    def without_usage(body):
        return {"choices": [{"message": {"content": "YES"}, "finish_reason": "stop"}]}

    with FaultServer(without_usage) as server:
        judge(config(server, prices=PRICES), [tmp_path], requests(tmp_path, 3))
        with JudgeSession(config(server, prices=PRICES), [tmp_path], print) as session:
            assert "0 calls" in session.expected(requests(tmp_path, 3))
            session.judge(requests(tmp_path, 4), lambda key, outcome: None)
            assert session.paid.answers == 1 and session.cost > 0


def test_a_judge_without_verdicts_ends_the_run_and_costs_nothing_the_next_time(tmp_path):
    with FaultServer(lambda body: "It depends.") as server:
        for _ in range(2):
            with pytest.raises(SpendingStopped, match=r"0 of the last \d+ answers of the judge are verdicts"):
                judge(config(server), [tmp_path], requests(tmp_path, 100))
        assert server.paid.total() <= 7 + 3  # those of the other workers


def test_the_expected_calls_are_told_before_the_first(tmp_path):
    with FaultServer(yes) as server:
        given = config(server, max_calls=90, prices={"input": 1_000, "output": 1_000})
        judge(given, [tmp_path], requests(tmp_path, 2))
        with JudgeSession(given, [tmp_path], print) as session:
            line = session.expected([*requests(tmp_path, 5), *requests(tmp_path, 5)])
    assert line.startswith("expected: 3 calls, about 339 tokens in, 12 out, 0.35 USD")
    assert "(2 answers stored, `--max-calls 90`)" in line


def test_a_server_that_cannot_be_reached_is_one_sentence(tmp_path):
    with FaultServer(yes) as server:
        closed = config(server)
    with pytest.raises(EndpointError, match=r"cannot be reached .* correct `base_url`"):
        judge(closed, [tmp_path], requests(tmp_path, 3))


def test_one_process_at_a_time_and_prices_for_a_limit_of_money(tmp_path):
    with FaultServer(yes) as server, JudgeSession(config(server), [tmp_path], print):
        with pytest.raises(FolderLocked, match="is in use by"), JudgeSession(config(server), [tmp_path], print):
            pass
        with pytest.raises(ConfigError, match="`--max-cost` needs `--prices`"):
            config(server, max_cost=1.0)


def test_an_answer_of_any_folder_is_used_and_goes_into_every_folder_that_asks(tmp_path):
    a, b = folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    with FaultServer(yes) as server:
        judge(config(server), [b], requests(b, 3))
        both = [*requests(a, 5), *requests(b, 5)]
        with JudgeSession(config(server), folders, print) as session:
            assert session.expected(both).startswith("expected: 2 calls")
        assert judge(config(server), folders, both) == ([True] * 5, 2)
        assert (
            judge(config(server), [a], requests(a, 5)) == judge(config(server), [b], requests(b, 5)) == ([True] * 5, 0)
        )
        assert server.paid.total() == 5
        # a copy counts as spent only where it was paid
        assert judge(config(server, max_calls=6), folders, [*both, *requests(a, 6)]) == ([True] * 6, 1)

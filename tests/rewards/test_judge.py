"""A judge rewards free answers, is paid once for each, and never beyond its limit."""

import os

import pytest
import yaml

from in2_plugin.errors import ConfigError, SpendingStopped
from in2_plugin.prompt_text import BEFORE_QUESTION, CITING
from in2_plugin.rewards import judge
from in2_plugin.rewards.judge import judged_answer
from tests.support.fault_server import FaultServer

ANSWERS = ["the red fox", "a fox that is red", "a blue fox", ""]
PROMPT = [{"role": "user", "content": f"[1] context{BEFORE_QUESTION}Which animal?{CITING}"}]


def verdict(body: dict) -> str:
    asked = body["messages"][-1]["content"].partition("Question: ")[2]
    assert asked.startswith("Which animal?\nReference:\nthe red fox\n")
    return "YES" if "that is red" in asked else "NO"


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Write a judge's file and name it in the environment; the judge is closed at the end."""

    def configure(server, **changes):
        judge._judge.cache_clear()
        values = {"model": "j", "base_url": server.base_url, "api_key_env": None, "concurrency": 2,
                  "parameters": {"max_tokens": 8}, "folder": str(tmp_path / "judge"), "max_calls": 10}  # fmt: skip
        (tmp_path / "judge.yml").write_text(yaml.safe_dump({**values, **changes}))
        monkeypatch.setenv("IN2_JUDGE", str(tmp_path / "judge.yml"))

    yield configure
    if judge._judge.cache_info().currsize:
        close()


def close():
    """Close the judge, as at the end of a process."""
    judge._judge(os.environ["IN2_JUDGE"]).close()
    judge._judge.cache_clear()


def rewards(answers=ANSWERS, gold="the red fox"):
    completions = [[{"role": "assistant", "content": f"{text}\nSources: [1]"}] for text in answers]
    return judged_answer(prompts=[PROMPT] * len(answers), completions=completions, answer=[gold] * len(answers))


def test_only_open_cases_are_asked_and_each_once(configured):
    with FaultServer(verdict) as server:
        configured(server)
        assert rewards() == [1, 1, 0, 0]
        assert rewards(gold=None) == [None] * 4
        assert server.paid.total() == 2
        close()
        assert rewards() == [1, 1, 0, 0]
        assert server.paid.total() == 2


def test_an_answer_without_a_verdict_has_no_reward(configured):
    with FaultServer(lambda body: "perhaps") as server:
        configured(server)
        assert rewards() == [1, None, None, 0]


def test_a_judge_without_verdicts_is_noticed_over_several_calls(configured):
    """Each step of a trainer asks about a few answers."""
    with FaultServer(lambda body: "perhaps") as server:
        configured(server)
        for step in range(3):
            assert rewards([f"{step} foxes", f"{step} cats"]) == [None, None]
        with pytest.raises(SpendingStopped, match="0 of the last 7 answers of the judge are verdicts"):
            rewards(["a dog"])
        assert server.paid.total() == 7


def test_the_limit_holds_over_all_runs(configured):
    with FaultServer(verdict) as server:
        configured(server, max_calls=1)
        for _ in range(2):
            with pytest.raises(SpendingStopped, match="`max_calls 1` is reached"):
                rewards()
            close()
        assert server.paid.total() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folder": None}, "set `folder`, where verdicts are stored, and `max_calls`"),
        ({"max_calls": None}, "set `folder`, where verdicts are stored, and `max_calls`"),
        ({"max_calls": True}, "set `folder`, where verdicts are stored, and `max_calls`"),
        ({"max_cost": 1.0}, "`max_cost` needs `prices`"),
        ({"max_cost": "abc"}, "`max_cost: abc` is not an amount above 0; write e.g. `max_cost: 20.0`"),
        ({"max_cost": True}, "`max_cost: True` is not an amount above 0"),
        ({"modle": "x"}, "unknown key `modle`"),
    ],
)
def test_invalid_files_are_refused(configured, changes, message):
    with FaultServer(verdict) as server:
        configured(server, **changes)
        with pytest.raises(ConfigError, match=message):
            rewards()


def test_ranks_share_the_limit(configured, monkeypatch, tmp_path):
    with FaultServer(verdict) as server:
        monkeypatch.setenv("WORLD_SIZE", "4")
        monkeypatch.setenv("RANK", "2")
        configured(server, max_calls=4)
        with pytest.raises(SpendingStopped, match="`max_calls 1` is reached"):
            rewards()
        assert [path.name for path in (tmp_path / "judge").iterdir()] == ["rank-2-of-4"]
        close()
        monkeypatch.setenv("WORLD_SIZE", "2")
        configured(server, max_calls=4)
        with pytest.raises(ConfigError, match=r"on another number of ranks \(rank-2-of-4\), and this one has 2"):
            rewards()


def test_a_failed_start_does_not_fix_the_number_of_ranks(configured, monkeypatch):
    with FaultServer(verdict) as server:
        monkeypatch.setenv("WORLD_SIZE", "4")
        monkeypatch.setenv("IN2_BAD_KEY", "ä")
        configured(server, api_key_env="IN2_BAD_KEY")
        with pytest.raises(ConfigError, match="IN2_BAD_KEY contains characters"):
            rewards()
        monkeypatch.setenv("WORLD_SIZE", "2")
        configured(server)
        assert rewards() == [1, 1, 0, 0]


def test_a_judge_must_be_named(monkeypatch, tmp_path):
    judge._judge.cache_clear()
    monkeypatch.delenv("IN2_JUDGE", raising=False)
    with pytest.raises(ConfigError, match="needs a judge; set IN2_JUDGE to a file"):
        rewards()
    monkeypatch.setenv("IN2_JUDGE", str(tmp_path / "none.yml"))
    with pytest.raises(ConfigError, match=r"none.yml: cannot be read .*; correct IN2_JUDGE"):
        rewards()

"""Logged answers become files of verdicts, with their agreement; stopped runs keep what they have."""

import json

import pytest

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError, ReportError
from in2_plugin.pipeline.run import NoProgress
from in2_plugin.probing.judging.judge import EMPTY, judge_answers
from in2_plugin.probing.judging.judged_answers import read_judged
from in2_plugin.probing.judging.session import JudgeConfig
from tests.support.answer_logs import logged, shelf_answers, write_log
from tests.support.fault_server import FaultServer

pytestmark = pytest.mark.usefixtures("shelves")


def config(server, **endpoint) -> JudgeConfig:
    section = {"model": "j", "base_url": server.base_url, "concurrency": "1-2", "attempts": 2, **endpoint}
    return JudgeConfig(EndpointConfig.parse(section, "test"))


def by_reference(body: dict) -> str:
    """Say yes to an answer with the number of the reference, also in a scroll."""
    prompt = body["messages"][0]["content"]
    reference, answer = prompt.split("\nReference:\n")[1].split("\nAnswer to judge:\n")
    return "<think>no?</think>YES" if reference.split("-")[-1] in answer and "scroll 0" not in answer else "NO"


def test_verdicts_are_written_beside_the_answers(tmp_path):
    path = write_log(tmp_path, shelf_answers(10))
    with FaultServer(by_reference) as server:
        judged = judge_answers([tmp_path], config(server), NoProgress())
        assert server.paid.total() == 10
        again = judge_answers([tmp_path], config(server), NoProgress())
        assert server.paid.total() == 10 and again.paid.answers == 0 and again.logs == judged.logs
    (log,) = judged.logs
    assert log.path == path.with_name(path.name.replace("samples_", "judged_")) and log.answers == 10
    rows = read_judged(log.path)
    assert [(row.question, row.depth) for row in rows] == [(i // 5, i % 5) for i in range(10)]
    assert [row.contained for row in rows] == [bool(i % 2) for i in range(10)]
    assert [row.verdict for row in rows] == [i > 0 for i in range(10)]
    assert (log.agreement.contained, log.agreement.judged, log.agreement.only_judge) == (0.5, 0.9, 4)
    assert [answer.question * 5 + answer.depth for answer, _ in log.disagreements] == [2, 4, 6, 8]


def test_empty_answers_are_wrong_without_a_call_and_equal_ones_are_asked_once(tmp_path):
    rows = [logged(0, 0, " "), logged(0, 1, "<think>", contained=False), logged(0, 2, "7"), logged(0, 3, "7")]
    write_log(tmp_path, rows)
    with FaultServer(lambda body: "YES") as server:
        (log,) = judge_answers([tmp_path], config(server), NoProgress()).logs
        assert server.paid.total() == 1
    rows = read_judged(log.path)
    assert [row.verdict for row in rows] == [False, False, True, True]
    assert [row.reason for row in rows] == [EMPTY, EMPTY, "", ""]


def test_unreadable_verdicts_are_counted_with_their_reason(tmp_path):
    write_log(tmp_path, shelf_answers(10))
    with FaultServer(lambda body: "Perhaps." if "book-3" in body["messages"][0]["content"] else "NO") as server:
        (log,) = judge_answers([tmp_path], config(server), NoProgress()).logs
    assert log.without_verdict == {"the judge says neither yes nor no": 1} and log.agreement.answers == 9
    assert json.loads(log.path.read_text().splitlines()[3])["verdict"] is None


def test_a_run_that_ends_early_writes_complete_files_and_goes_on(tmp_path):
    first = write_log(tmp_path, shelf_answers(10))
    second = write_log(tmp_path, shelf_answers(40)[10:], "shelves_gold_only")
    with FaultServer(by_reference, plan=lambda number, body: "no money" if number >= 20 else None) as server:
        with pytest.raises(EndpointError, match="no credit left"):
            judge_answers([first, second], config(server), NoProgress())
        assert len(list(first.parent.glob("judged_*"))) == 1
    with FaultServer(by_reference) as server:
        judged = judge_answers([first, second], config(server), NoProgress())
        assert server.paid.total() == judged.paid.answers == 20
    assert len(list(first.parent.glob("judged_*"))) == 2


def test_an_unknown_probe_is_one_sentence(tmp_path):
    write_log(tmp_path, [logged(0, 0, "x", kind="other")])
    with FaultServer() as server, pytest.raises(ReportError, match="no position probe is called `other`"):
        judge_answers([tmp_path], config(server), NoProgress())

"""Logs of position tasks are found among others, the newest of each; answers are what was scored."""

import pytest

from in2_plugin.errors import ReportError
from in2_plugin.probing.judging.logged_answers import find_answer_logs, read_answers
from tests.support.answer_logs import DATE, logged, write_log

OLDER = "2026-11-29T07-00-00.123456"


def answers(path):
    (log,), _ = find_answer_logs([path])
    return list(read_answers(log))


def test_the_newest_log_of_each_position_task_is_found(tmp_path):
    old = write_log(tmp_path, [logged(0, 0, "book-7")], date=OLDER)
    new = write_log(tmp_path, [logged(0, 0, "book-7")])
    alone = write_log(tmp_path, [logged(0, 0, "book-7")], "shelves_gold_only")
    write_log(tmp_path, [{"doc": {"question": "a val_probe row"}, "filtered_resps": ["x"]}], "val_probe_code")
    (tmp_path / "model" / f"results_{DATE}.json").write_text("{}")
    logs, notes = find_answer_logs([tmp_path, new])
    assert {(log.path, log.task, log.date) for log in logs} == {
        (new, "shelves_context", DATE), (alone, "shelves_gold_only", DATE),
    }  # fmt: skip
    assert len(logs) == 2 and notes == [f"{old}: there is a newer log of shelves_context"]
    assert find_answer_logs([old])[0][0].path == old  # a file that is named is taken


def test_an_answer_is_the_text_that_was_scored(tmp_path):
    rows = [
        logged(0, 0, "<think>book-1?</think> book-7 "),
        logged(0, 1, "is it book-7", thoughts="opened", contained=False),
        logged(0, 2, "<think>book-7", thoughts="scored"),
        logged(1, 0, "no idea", gold=("a", "b"), length=1024),
    ]
    found = answers(write_log(tmp_path, rows))
    assert [answer.answer for answer in found] == ["book-7", "", "<think>book-7", "no idea"]
    assert [answer.contained for answer in found] == [True, False, True, False]
    assert (found[3].question, found[3].depth, found[3].length, found[3].gold) == (1, 0, 1024, ("a", "b"))
    assert found[3].query == "What is on shelf 1?" and found[3].probe == "shelves"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"doc": {"question": "x"}}], "has no logged answers of a position task; run the position task with"),
        ([logged(0, 0, "x"), {"doc": {}}], "row 2: is not a logged answer of a position task"),
    ],
)
def test_other_files_are_one_sentence(tmp_path, rows, message):
    write_log(tmp_path, rows)
    with pytest.raises(ReportError, match=message):
        answers(tmp_path)


def test_missing_and_misnamed_and_torn_files(tmp_path):
    with pytest.raises(ReportError, match=r"no-such: does not exist"):
        find_answer_logs([tmp_path / "no-such"])
    path = write_log(tmp_path, [logged(0, 0, "x")])
    with path.open("a") as file:
        file.write('{"doc": ')
    with pytest.raises(ReportError, match=r"row 2: is not JSON .*killed"):
        answers(path)
    other = path.rename(path.with_name("answers.jsonl"))
    with pytest.raises(ReportError, match=r"is not named `samples_TASK_DATE\.jsonl`"):
        find_answer_logs([other])


def test_a_log_cut_inside_a_character_is_one_sentence(tmp_path):
    path = write_log(tmp_path, [logged(0, 0, "x"), logged(0, 1, "Größe")])
    path.write_bytes(path.read_bytes().split("ö".encode())[0] + "ö".encode()[:1])
    with pytest.raises(ReportError, match=r"row 2: is not JSON .*killed"):
        answers(path)


@pytest.mark.parametrize("doc", [None, "a text", ["a", "list"]])
def test_logs_of_other_tasks_have_any_kind_of_document(tmp_path, doc):
    write_log(tmp_path, [{"doc": doc, "filtered_resps": ["x"]}], "mmlu")
    path = write_log(tmp_path, [logged(0, 0, "x")])
    assert [log.path for log in find_answer_logs([tmp_path])[0]] == [path]


def test_kind_and_depths_are_those_of_the_row(tmp_path):
    rows = [logged(0, 0, "x"), logged(1, 0, "x", question_kind="integration", gold_depths=[0.2, 0.7])]
    found = answers(write_log(tmp_path, rows))
    assert [(one.kind, one.gold_depths) for one in found] == [("fine_grained", (0.1,)), ("integration", (0.2, 0.7))]

from dataclasses import replace

from in2_plugin.reporting.position.examples import (
    LONGEST,
    found_after,
    log_of,
    logged_answers,
    lost_in_the_middle,
    shortened,
)
from tests.support import position_results as made


def task(comparison, index=0):
    return comparison.models[index].tasks["litm_qa"]


def test_five_questions_right_at_the_end_and_wrong_in_the_middle(compared):
    pairs = lost_in_the_middle(task(compared(m=made.only_ends)))
    assert [pair.gold for pair in pairs] == [f"code000{i}" for i in range(5)]
    assert {(pair.first, pair.second) for pair in pairs[:1]} == {("code0000", "It is not stated.")}
    assert pairs[0].depths == (0.95, 0.45)


def test_a_model_that_finds_everything_has_no_examples(compared):
    assert lost_in_the_middle(task(compared(m=made.reader))) == []


def test_answers_that_were_found_after(compared):
    comparison = compared(before=made.only_ends, after=made.reader)
    pairs = found_after(task(comparison), task(comparison, 1))
    assert [(pair.first, pair.second) for pair in pairs[:2]] == [
        ("It is not stated.", "code0000"), ("It is not stated.", "code0001"),
    ]  # fmt: skip
    assert found_after(task(comparison, 1), task(comparison)) == []


def test_answers_are_those_of_one_length(compared):
    result = task(compared(m={"answers": made.only_ends, "lengths": (4096, 8192), "questions": 3}))
    assert len(logged_answers(result)) == 30
    assert {one.length for one in logged_answers(result).values()} == {8192}


def test_long_answers_say_what_is_left_out():
    assert shortened("x" * (LONGEST + 1000)).endswith("… (1,000 more characters)")
    assert shortened("") == "(empty)"


def test_questions_with_several_golds_are_no_examples(compared):
    comparison = compared(m={"answers": made.only_ends, "questions": 1, "integration": 20})
    assert [pair.gold for pair in lost_in_the_middle(task(comparison))] == ["code0000"]


def test_depths_are_those_of_the_log(compared):
    result = task(compared(m=made.only_ends))
    log = log_of(result)
    log.write_text(log.read_text().replace('"gold_depths": [0.95]', '"gold_depths": [1.0]'))
    assert lost_in_the_middle(result)[0].depths == (1.0, 0.45)


def test_a_results_file_with_a_name_of_its_own_has_its_log(compared):
    result = task(compared(m=made.only_ends))
    moved = result.file.rename(result.file.with_name(f"mine_{made.DATE}.json"))
    assert log_of(replace(result, file=moved)).name == f"samples_litm_qa_context_{made.DATE}.jsonl"
    assert log_of(replace(result, file=moved.with_name("mine.json"))) is None

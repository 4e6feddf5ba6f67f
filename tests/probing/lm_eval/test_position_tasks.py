"""The functions that lm_eval calls for position probes: rows, their order, scores and aggregates."""

import json
import math
import re
from dataclasses import replace

import pytest

from in2_plugin.errors import ConfigError, ProbeError, PromptTooLong
from in2_plugin.probing.lm_eval import position_tasks as tasks
from in2_plugin.probing.lm_eval.command_line import read_invocation
from in2_plugin.probing.position.scores import position_scores_from_text
from in2_plugin.probing.probes.registry import POSITION_PROBES
from tests.support.invented_position_probe import SHELVES

FIELDS = {
    "probe", "thoughts", "kind", "control", "digest", "window", "set", "position", "question", "depth", "n_depths",
    "length", "question_kind", "query", "gold", "gold_depths", "echo", "other",
}  # fmt: skip


@pytest.fixture(autouse=True)
def registered():
    POSITION_PROBES.register(SHELVES)
    yield
    POSITION_PROBES.unregister("shelves")


@pytest.fixture
def rows(mistral_folder):
    """Load the rows of a task: `rows(name, control, command line, **arguments)`."""

    def load(name: str = "shelves", control: str = "", argv: tuple[str, ...] = (), **arguments) -> list[dict]:
        given = {"pretrained": str(mistral_folder), "max_length": 2_048, **arguments}
        return list(tasks.load_position(name, control, given, read_invocation(argv))["test"])

    return load


def changed(**values) -> None:
    """Register the invented probe with other values."""
    POSITION_PROBES.unregister("shelves")
    POSITION_PROBES.register(replace(SHELVES, **values))


def scored(found: list[dict], answers: list[str]) -> list[dict]:
    return [tasks.process_results(row, [answer]) for row, answer in zip(found, answers, strict=True)]


def test_a_row_holds_no_prompt(rows):
    found = rows("litm_kv", probe_length=2_048, probe_questions=10)
    assert set(found[0]) == FIELDS and len(found) == 100
    assert len(json.dumps(found[0])) < 700
    for row in found:
        prompt = tasks.doc_to_text(row)
        assert prompt.endswith(row["query"]) and row["gold"][0] in prompt
        assert tasks.doc_to_target(row) == row["gold"][0]


def test_questions_come_one_after_the_other_at_all_depths(rows):
    found = rows("litm_kv", probe_length=2_048, probe_questions=10)
    assert [row["question"] for row in found] == [question for question in range(10) for _ in range(10)]
    for question in range(10):
        depths = [row["depth"] for row in found if row["question"] == question]
        assert sorted(depths) == list(range(10)) and len({depth // 5 for depth in depths[:2]}) == 2
    assert len({row["depth"] for row in found[::10]}) > 1


def test_controls_have_other_prompts_and_the_same_digest(rows):
    of_control = {control: rows(control=control) for control in ("", "closed_book", "gold_only")}
    assert [len(found) for found in of_control.values()] == [25, 5, 5]
    assert len({found[0]["probe"] for found in of_control.values()}) == 3
    assert len({found[0]["digest"] for found in of_control.values()}) == 1
    assert tasks.doc_to_text(of_control["closed_book"][0]) == "\nWhat is on shelf 0?"
    assert tasks.doc_to_text(of_control["gold_only"][0]) == "Shelf 0 holds book-0.\nWhat is on shelf 0?"


def test_perfect_answers_and_echo(rows):
    found = rows("litm_kv", probe_length=2_048, probe_questions=10)
    results = scored(found, [row["gold"][0] for row in found])
    assert {result["acc"] for result in results} == {result["recall"] for result in results} == {1.0}
    assert tasks.aggregate_avg(result["avg"] for result in results) == 1.0
    assert tasks.aggregate_dip(result["dip"] for result in results) == pytest.approx(0.0)
    echoes = scored(found, [row["query"] for row in found])
    assert {echo["acc"] for echo in echoes} == {echo["echo"] for echo in echoes} == {echo["other"] for echo in echoes}
    assert {echo["acc"] for echo in echoes} == {0.0}


def test_the_dip_is_ends_minus_middle(rows):
    found = rows()
    results = scored(found, [row["gold"][0] if row["depth"] in (0, 4) else "" for row in found])
    assert tasks.aggregate_dip(result["dip"] for result in results) == pytest.approx(1.0)
    assert tasks.aggregate_avg(result["avg"] for result in results) == pytest.approx(0.4)
    assert math.isnan(tasks.aggregate_dip([results[0]["dip"]]))


def test_all_scores_are_in_one_text(rows):
    found = rows()
    results = scored(found, [row["gold"][0] if row["question"] == 1 else "no book" for row in found])
    # lm_eval gathers lists from several ranks, in any order
    scores = position_scores_from_text(tasks.aggregate_scores(list(r["scores_stderr"]) for r in reversed(results)))
    assert (scores.digest, scores.n_depths, scores.window) == (found[0]["digest"], 5, 2_048)
    assert [sum(one.scores) for one in scores.sets(512)] == [0, 5, 0, 0, 0]
    assert scores.answers[1].gold_depths == (0.3,) and scores.answers[0].recall == 0.5


def test_lengths_are_averaged_and_integration_is_left_out(rows):
    found = rows()
    short = [{**row, "length": 256} for row in found]
    both = [{**row, "question_kind": "integration", "question": 9, "gold_depths": [0.1, 0.9]} for row in found[:1]]
    answers = ["", *(row["gold"][0] for row in found[1:]), *[""] * len(short), "no"]
    results = scored([*found, *short, *both], answers)
    assert tasks.aggregate_avg(result["avg"] for result in results) == pytest.approx((24 / 25 + 0) / 2)
    alone = results[-1]
    assert math.isnan(tasks.aggregate_avg([alone["avg"]])) and math.isnan(tasks.aggregate_dip([alone["dip"]]))


def test_every_row_of_a_task_has_its_metrics(rows):
    more = ["echo", "other", "unfinished_thoughts", "scores_stderr"]
    assert list(tasks.process_results(rows()[0], [""])) == ["acc", "recall", "dip", "avg", *more]
    assert list(tasks.process_results(rows(control="gold_only")[0], [""])) == ["acc", "recall", *more]


def test_thoughts_are_not_scored(rows):
    (row, *_) = rows()
    (result,) = scored([row], [f"<think>It is {row['gold'][0]}"])
    assert (result["acc"], result["unfinished_thoughts"]) == (0.0, 1.0)
    assert tasks.aggregate_unfinished([1.0, 0.0]) == 0.5
    (result,) = scored(rows(probe_thoughts="scored")[:1], [f"<think>It is {row['gold'][0]}"])
    assert (result["acc"], result["unfinished_thoughts"]) == (1.0, 0.0)


def test_prompts_that_do_not_fit_are_refused(rows):
    with pytest.raises(PromptTooLong, match=r"and 100 are generated, but the window is 1,024 .* at most 1024 in"):
        rows("litm_kv", probe_length=2_048, max_length=1_024)
    with pytest.raises(PromptTooLong, match=r"and 4000 are generated"):
        rows("litm_kv", "", ("--gen_kwargs", "max_gen_toks=4000"), probe_length=2_048)
    changed(shorten="buy shorter shelves")
    with pytest.raises(PromptTooLong, match=r"never truncated: buy shorter shelves, or, if the model"):
        rows(max_length=30)


def test_a_probe_without_questions_is_refused(rows):
    changed(load=lambda *given: replace(SHELVES.load(*given), questions=()))
    with pytest.raises(ProbeError, match="shelves_context has no question"):
        rows()


def test_a_chat_backend_needs_its_template(rows):
    with pytest.raises(ConfigError, match="add --apply_chat_template"):
        rows(argv=("--model", "local-chat-completions"), base_url="http://127.0.0.1:1/v1/chat/completions", model="m")


def test_a_run_states_beforehand_what_it_can_show(rows, caplog):
    caplog.set_level("INFO")
    found = rows()
    assert "shelves_context: 25 answers; 5 questions at each of 5 depths show a dip of 99.9 points or more" in [
        re.sub(r"\d+\.\d", "99.9", line) for line in caplog.messages
    ]
    rows(control="closed_book")
    assert "shelves_closed_book: 5 answers" in caplog.messages
    many = [{**row, "question": 5 * turn + row["question"]} for turn in range(20) for row in found]
    shown = {turns: tasks.power_line("t", many, 25 * turns) for turns in (5, 20)}
    dips = {turns: float(re.search(r"a dip of (\d+\.\d) points", line)[1]) for turns, line in shown.items()}
    assert shown[20] == tasks.power_line("t", many, None) and dips[20] == pytest.approx(dips[5] / 2, rel=0.05)
    assert tasks.power_line("t", many, 5) == "t: 5 answers"
    assert tasks.power_line("t", many, 10).endswith("; 2 questions at each of 5 depths too few to show a dip")

"""The functions that lm_eval calls: rows, prompts, scores, aggregates."""

import json
import math
from pathlib import Path

import pytest

from in2_plugin.errors import ConfigError, ProbeError, PromptTooLong
from in2_plugin.probing.lm_eval import tasks
from in2_plugin.probing.lm_eval.command_line import read_invocation
from in2_plugin.probing.probes.matrix import all_probes
from in2_plugin.probing.scoring.curves import curve_from_positions
from in2_plugin.probing.scoring.scores import scores_from_text
from in2_plugin.prompt_text import BEFORE_INSTRUCTION


def arguments_for(tokenizer: Path) -> dict:
    return {"pretrained": str(tokenizer), "max_length": 2_048, "version": 1.0, "probe_length": 1_024}


@pytest.fixture
def arguments(mistral_folder) -> dict:
    return arguments_for(mistral_folder)


def rows_of(name: str, arguments: dict, **changes) -> list[dict]:
    return list(tasks.load(name, {**arguments, **changes}, read_invocation([]))["test"])


@pytest.fixture(scope="module", params=all_probes())
def probe_rows(request, mistral_folder) -> list[dict]:
    """The rows of each probe. Tests must not change them."""
    return rows_of(request.param, arguments_for(mistral_folder))


def test_rows_are_enough_for_rescoring(probe_rows):
    rows = probe_rows
    places = {"probe", "kind", "set", "position", "n_positions", "span", "n_spans"}
    assert set(rows[0]) == places | {"query", "gold", "echo", "other", "thoughts"}
    assert len({(row["set"], row["position"]) for row in rows}) == len(rows)
    for row in rows:
        prompt = tasks.doc_to_text(row)
        assert row["query"] in prompt.rsplit("### Instruction:", 1)[1]
        assert all(gold in prompt for gold in row["gold"])
        assert tasks.doc_to_target(row) == ", ".join(row["gold"])
    assert len(json.dumps(rows[0])) < 1_000  # indices, no prompt


def test_perfect_answers_score_one_without_a_gap(probe_rows):
    results = [tasks.process_results(row, ["; ".join(row["gold"])]) for row in probe_rows]
    assert {result["acc"] for result in results} == {1.0}
    assert tasks.aggregate_avg([result["avg"] for result in results]) == 1.0
    assert tasks.aggregate_gap([result["gap"] for result in results]) == 0.0
    assert tasks.aggregate_dip([result["dip"] for result in results]) == pytest.approx(0.0)


def test_aggregates_agree_with_rescoring(arguments):
    rows = rows_of("code", arguments)
    answers = ["; ".join(row["gold"]) if row["position"] % 3 else "none" for row in rows]
    results = [tasks.process_results(row, [answer]) for row, answer in zip(rows, answers, strict=True)]
    again = curve_from_positions(
        [
            (result["acc"], row["position"], row["n_positions"], row["set"])
            for result, row in zip(results, rows, strict=True)
        ],
        n_spans=16,
    )
    assert again.avg == tasks.aggregate_avg(result["avg"] for result in results)
    assert again.gap == tasks.aggregate_gap(result["gap"] for result in results) > 0
    assert again.spans == tuple(
        tasks.aggregate_span(result[f"span_{span:02d}"] for result in results) for span in range(16)
    )


def test_the_dip_is_ends_minus_middle(arguments):
    rows = rows_of("code", arguments)
    answers = ["; ".join(row["gold"]) if not 0.2 <= row["position"] / row["n_positions"] < 0.8 else "" for row in rows]
    results = [tasks.process_results(row, [answer]) for row, answer in zip(rows, answers, strict=True)]
    assert tasks.aggregate_dip(result["dip"] for result in results) > 0.9
    # a fifth without a question, as with a small --limit
    assert math.isnan(tasks.aggregate_dip([results[0]["dip"]]))


def test_a_run_states_beforehand_what_it_can_show(arguments, caplog):
    caplog.set_level("INFO")
    rows = rows_of("code", arguments)
    (line,) = [one for one in caplog.messages if "in2 val power" in one]
    assert line.startswith(f"code: {len(rows)} questions, {len(rows) / 16:.0f} per span, show a dip of ")
    # lm_eval rounds a share up
    assert [tasks.rows_asked(11, limit) for limit in (None, 3, 20, 0.1, 0.5, 0.01)] == [11, 3, 11, 2, 6, 1]
    whole, half, few = (tasks.power_line(rows, limit) for limit in (None, 0.5, 16))
    assert whole == line
    assert f"{math.ceil(len(rows) / 2)} questions" in half and "16 questions, 1 per span" in few
    assert tasks.power_line(rows, 2) == "code: 2 questions, 0 per span, too few to show a dip (see `in2 val power`)"


def test_every_row_has_every_metric(arguments):
    (row, *_) = rows_of("database", arguments)
    result = tasks.process_results(row, [""])
    spans = [f"span_{span:02d}" for span in range(15)]
    assert list(result) == ["acc", "dip", "avg", "gap", *spans, "echo", "other", "unfinished_thoughts", "scores_stderr"]
    assert [name for name in spans if result[name] is not None] == [f"span_{row['span']:02d}"]
    assert tasks.aggregate_span([None, None]) is None


def test_one_metric_has_all_scores(arguments):
    rows = rows_of("document", arguments, probe_spans=40)
    results = [tasks.process_results(row, [row["query"]]) for row in rows]
    sets = scores_from_text(tasks.aggregate_scores(result["scores_stderr"] for result in results))
    scored = {(one.set, p): score for one in sets for p, score in zip(one.positions, one.scores, strict=True)}
    assert scored == {
        (row["set"], row["position"]): round(result["acc"], 4) for row, result in zip(rows, results, strict=True)
    }
    assert [one.n_positions for one in sets] == [
        next(row["n_positions"] for row in rows if row["set"] == one.set) for one in sets
    ]
    assert [result["acc"] for result in results] == [result["echo"] for result in results]
    # more spans than metrics: no metric has the value of a different span
    assert {result[f"span_{span:02d}"] for result in results for span in range(16)} == {None}
    assert tasks.aggregate_gap(result["gap"] for result in results) > 0


def test_thoughts_are_not_scored(arguments):
    rows = rows_of("code", arguments)
    names = ", ".join(sorted({gold for row in rows for gold in row["gold"]}))
    unfinished, wrong = f"<think>Is it {names}?", f"<think>Is it {names}?</think>There is none."
    results = [tasks.process_results(row, [unfinished]) for row in rows]
    assert {result["acc"] for result in results} == {0.0}
    assert tasks.aggregate_unfinished(result["unfinished_thoughts"] for result in results) == 1.0
    results = [tasks.process_results(row, [wrong]) for row in rows]
    assert {(result["acc"], result["unfinished_thoughts"]) for result in results} == {(0.0, 0.0)}
    whole = rows_of("code", arguments, probe_thoughts="scored")
    for text in (wrong, unfinished):  # no answer is lost, so none is reported
        results = [tasks.process_results(row, [text]) for row in whole]
        assert {(result["acc"], result["unfinished_thoughts"]) for result in results} == {(1.0, 0.0)}


def test_closed_book_asks_the_same_questions_without_their_context(arguments):
    opened = rows_of("code", arguments)
    closed = rows_of("code", arguments, probe_closed_book=True, max_length=300)
    assert [row["query"] for row in closed] == [row["query"] for row in opened]
    for row in closed:
        assert row["probe"] != opened[0]["probe"]
        question = tasks.doc_to_text(row).removeprefix(BEFORE_INSTRUCTION)
        assert question == f'In above context, which function contains the code snip "{row["query"]}" ?'


def test_a_length_that_contradicts_the_task_name_is_refused(arguments):
    with pytest.raises(ConfigError, match="probe_length=1024 contradicts the name of the task, which is for 4096"):
        rows_of("code", arguments, probe_task_length=4_096)


def test_too_long_prompts_stop_the_load(arguments):
    with pytest.raises(PromptTooLong, match="probe_length to at most 1000 in --metadata"):
        rows_of("code", arguments, max_length=1_000)


@pytest.mark.parametrize("flag", ["--apply_chat_template", "--apply_chat_template=default", "--apply_chat"])
def test_two_templates_are_refused(arguments, flag):
    film = {**arguments, "probe_template": "film"}
    with pytest.raises(ConfigError, match="probe_template=film writes \\[INST\\] tags itself"):
        tasks.load("code", film, read_invocation(["lm_eval", flag]))
    assert tasks.load("code", film, read_invocation(["lm_eval"]))["test"]
    assert tasks.load("code", arguments, read_invocation(["lm_eval", flag]))["test"]


def test_a_chat_endpoint_needs_the_chat_template(arguments):
    served = {"base_url": "http://localhost:1/v1/chat/completions", "model": "m", "tokenizer": arguments["pretrained"]}
    invocation = read_invocation(["--model", "in2-local-chat-completions"])
    with pytest.raises(ConfigError, match=r"^--model in2-local-chat-completions sends chat messages; add --apply_chat"):
        tasks.load("code", served, invocation)


def test_a_completions_endpoint_without_token_ids_takes_no_chat_template(arguments):
    served = {"base_url": "http://localhost:1/v1/completions", "model": "m", "tokenizer": arguments["pretrained"]}
    invocation = read_invocation(["--model", "in2-local-completions", "--apply_chat_template"])
    with pytest.raises(ConfigError, match="needs token ids; remove tokenized_requests"):
        tasks.load("code", {**served, "tokenized_requests": False}, invocation)


def test_items_of_the_user(tmp_path, arguments):
    lines = [{"id": f"Z{i:03}", "label": f"label of {i}", "dcpt": f"thing with number {i}"} for i in range(200)]
    (tmp_path / "database_entities.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows = rows_of("database", arguments, probe_pieces=str(tmp_path))
    assert all(row["query"].startswith("Z") for row in rows)


def test_a_row_of_another_process_is_an_error():
    with pytest.raises(ProbeError, match="probe 00 was not built in this process"):
        tasks.doc_to_text({"probe": "00", "set": 0, "position": 0})

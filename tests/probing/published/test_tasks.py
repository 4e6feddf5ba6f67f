"""`val_probe_paper_*`: rows, prompts, window and both scorings, without lm_eval."""

import pytest

from in2_plugin.errors import ConfigError, ProbeError, PromptTooLong
from in2_plugin.probing.lm_eval import tasks
from in2_plugin.probing.lm_eval.command_line import read_invocation
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.probes.tokens import load_tokens
from in2_plugin.probing.published.data import collect
from in2_plugin.probing.published.files import read_published
from in2_plugin.probing.published.tasks import count_longest, load_published
from in2_plugin.probing.scoring.published import published_curve
from in2_plugin.probing.scoring.scores import gather
from tests.support import paper_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    for name in PROBES:
        paper_data.as_downloaded(folder, name, paper_data.rows(name, 2, 20))
    return folder


@pytest.fixture
def arguments(mistral_folder, folder) -> dict:
    return {"pretrained": str(mistral_folder), "max_length": 4_096, "version": 1.0, "probe_data": str(folder)}


def rows_of(name: str, arguments: dict, argv: tuple[str, ...] = (), **changes) -> list[dict]:
    return list(load_published(name, {**arguments, **changes}, read_invocation(argv))["test"])


@pytest.mark.parametrize("name", PROBES)
def test_rows_and_prompts_are_the_published_ones(name, arguments):
    rows = rows_of(name, arguments)
    published = {(row["set_id"], row["position_id"]): row for row in paper_data.rows(name, 2, 20)}
    assert {(row["set"], row["position"]) for row in rows} == set(published) and len(rows) == 40
    for row in rows:
        item = paper_data.item(name, row["set"], row["position"])
        assert tasks.doc_to_text(row) == published[row["set"], row["position"]]["prompt"]
        assert (row["query"], tuple(row["gold"]), row["n_positions"]) == (item.query, item.gold, 20)
        assert row["ambiguous"] == (row["set"] == 0 and row["position"] in paper_data.TWINS)
        assert row["span"] == row["position"] * PROBES[name].spans // 20 and row["n_spans"] == PROBES[name].spans
        assert 0 <= row["echo"] <= 1 and 0 <= row["other"] <= 1


def test_plain_prompts_can_take_a_chat_template(arguments):
    chat = ("lm_eval", "--apply_chat_template")
    with pytest.raises(ConfigError, match=r"probe_template=film writes \[INST\] tags itself"):
        rows_of("code", arguments, chat)
    row = rows_of("code", arguments, chat, probe_template="plain")[0]
    prompt = tasks.doc_to_text(row)
    assert prompt.startswith("Below is a context") and prompt.endswith(f'snip "{row["query"]}" ?')
    assert "INST" not in prompt and "def f_0_0_:\n    a = 1" in prompt


def test_the_longest_prompt_is_counted_in_each_template(arguments, folder):
    tokens = load_tokens(arguments, takes_chat_template=False)
    data = collect(PROBES["document"], read_published(PROBES["document"], str(folder)))
    for template in ("film", "plain"):
        prompts = count_longest(data, template, tokens)
        every = [tokens.prompt(prompts.prompt(index, place)) for index in range(2) for place in range(20)]
        assert prompts.longest == max(every) == tokens.prompt(prompts.longest_prompt())
    assert count_longest(data, "film", tokens).fingerprint() != prompts.fingerprint()


def test_too_long_prompts_stop_the_load(arguments):
    with pytest.raises(PromptTooLong, match="the longest prompt has"):
        rows_of("code", arguments, max_length=600)


@pytest.mark.parametrize("wrong", [{"probe_length": 4_096}, {"probe_template": "chat"}, {"probe_spans": 1}])
def test_unknown_options_are_refused(arguments, wrong):
    with pytest.raises(ConfigError, match="val_probe_paper_code: "):
        rows_of("code", arguments, **wrong)


def test_prompts_in_another_template_are_refused_before_the_run(arguments, tmp_path):
    rows = paper_data.rows("document", 1, 4)
    rows[2]["prompt"] = rows[2]["prompt"].replace("### Context:", "### Text:")
    file = paper_data.as_downloaded(tmp_path, "document", rows)
    assert len(rows_of("document", arguments, probe_data=str(file))) == 4
    with pytest.raises(ProbeError, match="choose the template film"):
        rows_of("document", arguments, probe_data=str(file), probe_template="plain")


def test_published_sizes_are_scored_both_ways(arguments, tmp_path):
    """4 x 750 entities, all answered except the last of each fifty and the two ambiguous ones."""
    paper_data.as_downloaded(tmp_path, "database", paper_data.rows("database"))
    rows = rows_of("database", arguments, probe_data=str(tmp_path), max_length=40_000)
    results = []
    for row in rows:
        right = row["position"] % 50 != 49 and not row["ambiguous"]
        results.append(tasks.process_results(row, [", ".join(row["gold"]) if right else "no"]))
    column = {name: [result[name] for result in results] for name in results[0]}
    assert sum(row["ambiguous"] for row in rows) == 2 and len(rows) == 3_000
    # 49 of 50; in the first span of the first set 47 of 48
    assert tasks.aggregate_avg(column["avg"]) == pytest.approx(0.98, abs=1e-3)
    sets = gather((result["acc"], row["position"], 750, row["set"]) for result, row in zip(results, rows, strict=True))
    curve = published_curve(PROBES["database"], sets)
    assert curve.spans[0] == pytest.approx((47 / 49 + 3) / 4) and set(curve.spans[1:]) == {1.0}
    assert tasks.aggregate_avg_paper(column["avg_paper"]) == pytest.approx(curve.avg)
    assert tasks.aggregate_gap_paper(column["gap_paper"]) == pytest.approx(curve.gap)

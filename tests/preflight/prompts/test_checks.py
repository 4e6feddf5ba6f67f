"""Preflight of configs for GRPO: groups whose rewards cannot differ, and prompts that do not fit."""

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.preflight.loading import load_config
from in2_plugin.preflight.prompts.checks import report_prompts
from in2_plugin.preflight.run import preflight
from in2_plugin.training.axolotl.prompts import choose_axolotl_prompts

REWARDS = ["in2_plugin.rewards.answer", "in2_plugin.rewards.grounding"]
JUDGED = ["in2_plugin.rewards.judge.judged_answer", "in2_plugin.rewards.format"]
TRL = {"reward_funcs": REWARDS, "max_completion_length": 128}
COMPLETION = "max_completion_length"
GRPO = {"rl": "grpo", "trl": TRL, "in2": {"number_segments": True}, "bf16": None}


def report(axolotl_file, **changes):
    path = axolotl_file(**{**GRPO, **changes})
    cfg = load_config(path)
    return report_prompts(cfg, choose_axolotl_prompts(cfg), str(path))


def test_a_valid_config(axolotl_file):
    found = report(axolotl_file, sequence_len=1_024)
    assert found.findings == [] and 0 < found.prompts < 130
    prompts, completions = found.lines()
    assert prompts == f"prompts: {found.prompts}; left out: {130 - found.prompts} prompts longer than 896 tokens"
    assert completions.startswith("completions: up to 128 tokens; time and memory are not estimated")
    assert found.as_json()["ok"] and found.as_json()["prompts"] == found.prompts


def test_the_command_reports_prompts(axolotl_file):
    file = axolotl_file(**GRPO, sequence_len=140)
    with pytest.raises(ConfigError, match="no prompt is left to train on: 130 prompts longer than 12 tokens"):
        preflight(file)
    assert preflight(axolotl_file(**GRPO, sequence_len=1_024)) == report(axolotl_file, sequence_len=1_024)


@pytest.mark.parametrize(
    ("changes", "level", "where", "what"),
    [
        ({"trl": {**TRL, "reward_funcs": None}}, "error", "trl.reward_funcs", "no reward is listed"),
        ({"in2": {}}, "error", "trl.reward_funcs", "`grounding` compares numbers of segments"),
        ({"trl": {**TRL, "reward_funcs": REWARDS[:1]}}, "note", "in2: number_segments", "that none of our rewards"),
        ({"trl": {**TRL, "reward_funcs": JUDGED}}, "error", "trl.reward_funcs", "`judged_answer` needs a judge"),
        ({"trl": {**TRL, "temperature": 0.0}}, "error", "trl.temperature", "their rewards cannot differ"),
        ({"trl": {**TRL, "top_k": 1}}, "error", "trl.top_k", "their rewards cannot differ"),
        ({"trl": {**TRL, COMPLETION: 30}}, "warning", "completion", "stored answers do not"),
        ({"trl": {**TRL, COMPLETION: 4}}, "error", "completion", "answers do not fit into 4 tokens"),
        ({"sequence_len": 8_192, "trl": {**TRL, COMPLETION: 4_000}}, "error", "max_position", "supports 4,096"),
    ],
)
def test_findings(axolotl_file, changes, level, where, what):
    found = [finding for finding in report(axolotl_file, **changes).findings if where in finding.where]
    assert [finding.level for finding in found] == [level]
    assert what in found[0].what

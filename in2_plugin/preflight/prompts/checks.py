"""Check an Axolotl config for `rl: grpo` against its prompts and rewards, before the model is loaded.

Looks for groups of completions whose rewards cannot differ, because they give no gradient. Costs are not estimated:
most of the time goes into generation, which depends on the server. Cost: opening the datasets; only prompts near the
limit are tokenized.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from in2_plugin.preflight.checks import check_positions, check_window
from in2_plugin.preflight.costs import GPUS, memory
from in2_plugin.preflight.dataset_summary import unread_summary
from in2_plugin.preflight.findings import Case, ConfigFinding, Level
from in2_plugin.preflight.prompts.report import PromptReport
from in2_plugin.preflight.shape import read_model
from in2_plugin.preflight.training_setup import setup_of
from in2_plugin.training.axolotl.args import options_of
from in2_plugin.training.prompts import ChosenPrompts

REWARDS = "in2_plugin.rewards."
JUDGED = f"{REWARDS}judge.judged_answer"
CITATION_TOKENS = 16
"""Tokens of a line that cites one or two segments."""


def report_prompts(cfg: Any, chosen: ChosenPrompts, file: str = "") -> PromptReport:
    """Return the report on a config that Axolotl has validated.

    Args:
        file: path of the config, unless training is about to start.

    Raises:
        ConfigError: the model config cannot be read.
    """
    case = _case(cfg, chosen.longest + cfg.trl.max_completion_length)
    found = [*config_findings(case), *_answers(cfg, chosen)]
    findings = sorted(found, key=lambda finding: finding.level != "error")
    return PromptReport(file, len(chosen.places), chosen.left_out, cfg.trl.max_completion_length, findings)


def config_findings(case: Case) -> list[ConfigFinding]:
    """Return the findings that need no prompts."""
    checks = (_rewards(case.cfg), _sampling(case.cfg), check_window(case), check_positions(case))
    return [finding for check in checks for finding in check]


def _case(cfg: Any, longest: int) -> Case:
    """Return what checks of the model's window need: the model, and the tokens of the longest row."""
    model, row = read_model(cfg), replace(unread_summary(cfg.datasets[0], "prompts"), longest=longest)
    setup = setup_of(cfg, 1, model.adapter)
    return Case(cfg, model, setup, GPUS["A100-80G"], (row,), memory(model.shape, setup, longest, longest))


def _rewards(cfg: Any) -> Iterator[ConfigFinding]:
    given, numbered = list((cfg.trl or {}).get("reward_funcs") or []), options_of(cfg).number_segments
    where, number = "trl.reward_funcs", "set `in2: {number_segments: true}`"
    if not given:
        what = "no reward is listed, so completions cannot differ"
        yield ConfigFinding("error", where, what, f"add e.g. `{REWARDS}answer`")
    if f"{REWARDS}grounding" in given and not numbered:
        what = "`grounding` compares numbers of segments, which the prompts do not show"
        yield ConfigFinding("error", where, what, f"{number}, or remove the reward")
    if JUDGED in given and not os.environ.get("IN2_JUDGE"):
        yield ConfigFinding("error", where, "`judged_answer` needs a judge", "set IN2_JUDGE to the file of one")
    if numbered and not {f"{REWARDS}grounding", f"{REWARDS}format"} & {*given}:
        what = "asks for citations that none of our rewards reads"
        remedy = f"add `{REWARDS}grounding` to `trl.reward_funcs`, or remove it"
        yield ConfigFinding("note", "in2: number_segments", what, remedy)


def _sampling(cfg: Any) -> Iterator[ConfigFinding]:
    for name, value in (("temperature", 0), ("top_k", 1)):
        if (cfg.trl or {}).get(name) == value:
            what = f"`{value}` makes all completions of a group equal, so their rewards cannot differ"
            yield ConfigFinding("error", f"trl.{name}", what, "remove it, or set e.g. `temperature: 1.0`")


def _answers(cfg: Any, chosen: ChosenPrompts) -> Iterator[ConfigFinding]:
    room = cfg.trl.max_completion_length
    needs = chosen.answer_tokens + (CITATION_TOKENS if options_of(cfg).number_segments else 0)
    if too_long := int((needs > room).sum()):
        what = (
            f"{too_long:,} of {len(needs):,} stored answers do not fit into {room:,} tokens, so no completion of their "
            "groups can be right"
        )
        level: Level = "error" if too_long == len(needs) else "warning"
        remedy = f"set `max_completion_length: {int(needs.max())}` or more, thoughts not counted"
        yield ConfigFinding(level, "trl.max_completion_length", what, remedy)

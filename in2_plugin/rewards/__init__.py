"""Reward functions for GRPO on prompts from IN2 datasets, for `reward_funcs` of TRL and `trl.reward_funcs` of Axolotl.

    trl grpo ... --reward_funcs in2_plugin.rewards.answer in2_plugin.rewards.grounding
    trl: {reward_funcs: [in2_plugin.rewards.answer, in2_plugin.rewards.grounding]}

Each function takes `prompts`, `completions` and the columns of `dataset.prompts.COLUMNS` as keyword arguments, and
returns one number from 0 to 1 per completion, or None where the column that it needs is None, so that rows of other
datasets can be mixed in. `in2_plugin.rewards.judge.judged_answer` asks a language model.
"""

from in2_plugin.rewards.citations import format, grounding
from in2_plugin.rewards.correctness import answer, exact_answer

__all__ = ["answer", "exact_answer", "format", "grounding"]

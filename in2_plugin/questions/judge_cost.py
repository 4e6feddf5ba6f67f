"""Estimate the tokens of a judge's calls, for `in2 estimate` and `in2 recipes plan`.

A call reads a prompt with the question, and the text it is shown: a filler, a gold segment, or nothing. The prompt is
72 tokens, measured with `in2 estimate` and Mistral's tokenizer (about 43 of instructions, 20 of question and 9 of chat
template); a verdict without an answer of its own is 4.
"""

from in2_plugin.llm.request import Usage

JUDGE_TOKENS, VERDICT_TOKENS = 72, 4


def judge_usage(calls: int, shown_tokens: float, completion_tokens: int = VERDICT_TOKENS) -> Usage:
    """Return the usage of so many calls that each show a text of `shown_tokens` tokens."""
    return Usage(calls, round(calls * (JUDGE_TOKENS + shown_tokens)), calls * completion_tokens)

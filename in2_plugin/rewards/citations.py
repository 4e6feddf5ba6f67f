"""Reward citations of the segments with the answer, and replies of the form that the prompt asks for.

The idea of a reward on cited passages is from LongRLVR (arXiv 2603.02146). Invariant: citing every segment earns little
in a long context, because precision counts as much as recall.
"""

from collections.abc import Sequence

from in2_plugin.errors import ConfigError
from in2_plugin.rewards.correctness import Rewards
from in2_plugin.rewards.reply import Text, asks_for_sources, reply_of


def grounding(
    prompts: Sequence[Text], completions: Sequence[Text], gold_ids: Sequence[Sequence[int] | None], **_: object
) -> Rewards:
    """Return the F1 score of the cited segments against the gold segments; 0 without citations.

    Raises:
        ConfigError: the segments of a prompt with gold are not numbered.
    """
    return [
        None if gold is None else _f1(set(gold), _cited(prompt, completion))
        for prompt, completion, gold in zip(prompts, completions, gold_ids, strict=True)
    ]


def format(prompts: Sequence[Text], completions: Sequence[Text], **_: object) -> Rewards:
    """Return 1 for an answer outside thoughts, followed by a line of citations if the prompt asks for it; else 0."""
    return [_has_form(prompt, completion) for prompt, completion in zip(prompts, completions, strict=True)]


def _cited(prompt: Text, completion: Text) -> frozenset[int]:
    if not asks_for_sources(prompt):
        raise ConfigError(
            "the reward `grounding` needs prompts with numbered segments; export with `--number-segments`, set "
            "`number_segments`, or remove the reward"
        )
    return reply_of(prompt, completion).cited or frozenset()


def _f1(gold: set[int], cited: frozenset[int]) -> float:
    return 2 * len(gold & cited) / (len(gold) + len(cited)) if gold else 0.0


def _has_form(prompt: Text, completion: Text) -> float:
    reply = reply_of(prompt, completion)
    return float(bool(reply.answer) and (reply.cited is not None or not asks_for_sources(prompt)))

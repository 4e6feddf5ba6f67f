"""Find the prompts that may be the longest: one per context, because its prompts differ in the question alone."""

from collections.abc import Sequence

from in2_plugin.probing.position.probe import PositionQuestion
from in2_plugin.probing.probes.tokens import TokenCounter


def longest_by_context(questions: Sequence[PositionQuestion], tokens: TokenCounter) -> list[PositionQuestion]:
    """Return the question with the most tokens of each context; of equal ones the first."""
    lengths = tokens.each([question.text for question in questions])
    found: dict[int, tuple[int, PositionQuestion]] = {}
    for length, question in zip(lengths, questions, strict=True):
        if question.context not in found or length > found[question.context][0]:
            found[question.context] = length, question
    return [question for _, question in found.values()]

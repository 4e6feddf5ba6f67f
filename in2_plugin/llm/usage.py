"""Token counts: what a server reports of a call, what it costs, and whether it read the whole prompt.

Invariant: unknown is not free. Counts that are missing or 0 are estimated from the texts, and marked as estimates.
"""

from dataclasses import replace

from in2_plugin.config import Prices
from in2_plugin.llm.request import Completion, Request, Usage

BYTES_PER_TOKEN = 4
"""UTF-8 bytes per token of an estimate: English prose has 4 to 5, Chinese 3 to 5, code 3 to 4."""
FEWER = 4
"""Tokens that a server may read less than we count: its own BOS, and the seams of the chat template."""
DENSE = "\u2e80"
"""From here on Unicode has scripts without spaces; a token has at most about four of their characters."""
DENSE_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """Return the tokens of a text, from its length in UTF-8."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def with_known_usage(request: Request, answer: Completion) -> Completion:
    """Return the answer with estimates in the place of token counts that the server did not report."""
    if answer.input_tokens and (answer.output_tokens or not answer.text):
        return answer
    return replace(
        answer,
        input_tokens=answer.input_tokens or estimated_tokens(request.prompt),
        output_tokens=answer.output_tokens or estimated_tokens(answer.text),
        is_estimated=True,
    )


def least_tokens(prompt: str) -> int:
    """Return a number of tokens that every tokenizer finds in a prompt: one per word, more in scripts without spaces.

    Holds for tokenizers whose tokens do not span spaces between words: those of all common models in November 2026.
    """
    if prompt.isascii():
        return len(prompt.split())
    return sum(max(1, sum(c >= DENSE for c in word) // DENSE_PER_TOKEN) for word in prompt.split())


def has_read_all(read: int, least: int) -> bool:
    """Return True if `usage.prompt_tokens` allows that a prompt of at least `least` tokens was read to its end."""
    return read >= least - FEWER


def price(usage: Usage, prices: Prices) -> float:
    """Return the cost of these tokens, in `prices.currency`."""
    return (usage.input_tokens * prices.input + usage.output_tokens * prices.output) / 1e6

"""Fill the pages of registers, so that each has about as many tokens as a segment of the corpus.

A page ends with the record at which the token counts of its head and its items add up to `segment_tokens`, as in
Algorithm 1 of the paper. Invariant: pages depend on the seed, the number of the register and the tokenizer alone.
Cost: about 1.5 ms per page of 128 tokens.
"""

from collections.abc import Callable
from itertools import chain

from in2_plugin.execution.process_pool import in_chunks
from in2_plugin.questions.records.registers import PAGE_RECORDS, PAGES, RECORDS, Register

CountTokens = Callable[[list[str]], list[int]]
BATCH = 8
"""Records that are counted at a time."""


def pages_of(register: Register, count_tokens: CountTokens, segment_tokens: int) -> list[str]:
    """Return the texts of the pages of a register; no record is on two of them.

    Args:
        count_tokens: returns the number of tokens of each string of a batch.
        segment_tokens: the length at which a page is complete.
    """
    labels, style = register.labels, register.style
    items = (style.item(labels, register.record(place)) for place in range(RECORDS))
    batches = in_chunks(chain([style.head(labels)], items), BATCH)
    counted = ((text, n) for batch in batches for text, n in zip(batch, count_tokens(batch), strict=True))
    _, head = next(counted)
    texts: list[str] = []
    for _ in range(PAGES):
        own: list[str] = []
        total = head
        while total < segment_tokens and len(own) < PAGE_RECORDS:
            item, tokens = next(counted)
            own.append(item)
            total += tokens
        texts.append(style.page(labels, own))
    return texts

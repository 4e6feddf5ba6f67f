"""Fill the pages of registers, so that each has about as many tokens as a segment of the corpus.

A page ends with the record at which the token counts of its head and its items add up to `segment_tokens`, as in
Algorithm 1 of the paper. Invariant: pages depend on the seed, the number of the register and the tokenizer alone.
Cost: about 1 ms per page of 128 tokens.
"""

from collections.abc import Callable, Iterator

from in2_plugin.questions.records.registers import PAGE_RECORDS, PAGES, Register

CountTokens = Callable[[list[str]], list[int]]
BATCH = 8
"""Records that are counted at a time."""


def pages_of(register: Register, count_tokens: CountTokens, segment_tokens: int) -> list[str]:
    """Return the texts of the pages of a register; no record is on two of them.

    Args:
        count_tokens: returns the number of tokens of each string of a batch.
        segment_tokens: the length at which a page is complete.
    """
    items = _counted_items(register, count_tokens)
    head = sum(count_tokens([register.style.head(register.labels)]))
    texts: list[str] = []
    for _ in range(PAGES):
        records: list[tuple[str, ...]] = []
        total = head
        while total < segment_tokens and len(records) < PAGE_RECORDS:
            record, tokens = next(items)
            records.append(record)
            total += tokens
        texts.append(register.style.page(register.labels, records))
    return texts


def _counted_items(register: Register, count_tokens: CountTokens) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the records of a register with the tokens of their items."""
    for first in range(0, PAGES * PAGE_RECORDS, BATCH):
        records = [register.record(first + i) for i in range(BATCH)]
        items = [register.style.item(register.labels, record) for record in records]
        yield from zip(records, count_tokens(items), strict=True)

"""Add the invented records of a build to its segment store, after the corpus.

The pool is as large as its questions and the longest context need, and the fillers of these questions come from it.
Invariant: it depends on the build file and the tokenizer alone. Cost: in the driver, about 3 ms per register of two
segments of 128 tokens; at most MOST_REGISTERS.
"""

import math

from in2_plugin.config import BuildConfig
from in2_plugin.corpus.cutting import Cutter
from in2_plugin.corpus.store_writer import StoreWriter
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.execution.process_pool import in_chunks
from in2_plugin.questions.records.pages import pages_of
from in2_plugin.questions.records.registers import MOST_REGISTERS, PAGES, invent_register

SOURCE = "invented:records"
"""Source of the documents that are registers."""
LEAST_REGISTERS = 64
CONTEXTS = 4
"""The pool has the segments of this many contexts of `lengths.max` tokens, so that contexts differ."""
CHUNK = 256
"""Registers that are tokenized together."""


def n_registers(config: BuildConfig) -> int:
    """Return the number of registers in the pool of a build; 0 without questions about records.

    There is one page per question, and MAX_DRAWS questions per page can be asked where MOST_REGISTERS limits the pool.
    """
    questions = config.mixture.counts()["records"]
    contexts = CONTEXTS * config.lengths.max / config.corpus.segment_tokens
    wanted = max(LEAST_REGISTERS, math.ceil(max(questions, contexts) / PAGES))
    return min(MOST_REGISTERS, wanted) if questions else 0


def add_records(writer: StoreWriter, tokenizer: TextTokenizer, registers: int, seed: int, segment_tokens: int) -> None:
    """Append the first `registers` registers of a seed to a store."""
    # counted whole: identifiers would fill the cache of word counts
    cutter = Cutter(tokenizer, segment_tokens, paper_exact=False, by_words=False)
    for numbers in in_chunks(range(registers), CHUNK):
        pages = [pages_of(invent_register(number, seed), tokenizer.count, segment_tokens) for number in numbers]
        keys = [f"register {number}" for number in numbers]
        writer.add_records([SOURCE] * len(keys), keys, cutter.whole(pages))

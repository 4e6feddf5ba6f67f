"""Lengths and answers of the data that a build file asks for, before there is any.

Pure. Invariant: what a build file does not say is one of the named assumptions here, and docs/recipes.md gives the
source of each. `in2 preflight` counts the finished dataset instead.
"""

from dataclasses import dataclass

import numpy as np

from in2_plugin.config import BuildConfig
from in2_plugin.preflight.dataset_summary import Counts, DatasetSummary

DRAWN = 20_000
"""Lengths that stand for all examples."""
DOCUMENT_TOKENS = 600
"""A document (paper, footnote on C4's realnewslike)."""
AROUND_TOKENS = 200
"""Question, answer and template of an example."""
GENERAL_TOKENS = 500
"""A conversation of an instruction dataset."""
ANSWER_TOKENS, MOST_ANSWER_TOKENS = 60, 512
"""Supervised tokens of an answer, and of the longest one."""
GENERAL_ANSWER_TOKENS = 200
"""Supervised tokens of a conversation."""


@dataclass(frozen=True, slots=True)
class PlannedData:
    """The dataset that a build file asks for."""

    long: int
    """Examples with a context of many segments."""
    short: int
    """Examples with a document by itself."""
    general: int
    """Conversations."""
    least: int
    """Tokens of the shortest long example."""
    longest: int
    turns: int
    """Questions about one long context."""

    @property
    def examples(self) -> int:
        """Rows to train on."""
        return self.long + self.short + self.general

    def lengths(self) -> Counts:
        """(DRAWN,) tokens of examples, in the proportion of the parts; long ones uniform between the bounds."""
        general, short, long = self._shares()
        document = min(self.longest, DOCUMENT_TOKENS + AROUND_TOKENS)
        parts = [np.full(general, min(self.longest, GENERAL_TOKENS)), np.full(short, document)]
        tokens: Counts = np.concatenate([*parts, np.linspace(self.least, self.longest, long)]).astype(np.int64)
        return tokens

    def answers(self) -> Counts:
        """(DRAWN,) supervised tokens of the same examples; the last has the most that is assumed."""
        general, short, long = self._shares()
        parts = [(general, GENERAL_ANSWER_TOKENS), (short, ANSWER_TOKENS), (long, ANSWER_TOKENS * self.turns)]
        counts: Counts = np.concatenate([np.full(n, tokens) for n, tokens in parts]).astype(np.int64)
        counts[-1] = MOST_ANSWER_TOKENS * max(1, self.turns)
        least: Counts = np.minimum(counts, self.lengths())
        return least

    def _shares(self) -> tuple[int, int, int]:
        """Of DRAWN examples: conversations, short ones, long ones."""
        general, short = (round(DRAWN * part / self.examples) for part in (self.general, self.short))
        return general, short, DRAWN - general - short

    @property
    def tokens(self) -> float:
        """Of one epoch."""
        return float(self.lengths().mean()) * self.examples

    def facts(self, path: str, sequence_len: int | None) -> DatasetSummary:
        """The same in the terms of preflight."""
        lengths = self.lengths()
        return DatasetSummary(
            path=path,
            type="in2",
            examples=self.examples,
            looked_at=len(lengths),
            seen="planned from build.yml",
            lengths=lengths,
            answers=self.answers(),
            longest=int(lengths.max()),
            refused=int((lengths > sequence_len).sum()) if sequence_len else 0,
        )


def planned_data(config: BuildConfig) -> PlannedData:
    """The dataset that a build file asks for, before there is any."""
    counts = config.mixture.counts()
    turns = config.questions_per_context
    long = counts["fine_grained"] + counts["integration"]
    return PlannedData(
        long=-(-long // turns),
        short=counts["short_context"],
        general=counts["general"],
        least=config.lengths.min,
        longest=config.lengths.max,
        turns=turns,
    )

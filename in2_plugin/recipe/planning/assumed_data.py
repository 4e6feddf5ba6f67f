"""Predict the lengths and answers of the data that a build file asks for, before it is built.

Pure. Everything that a build file does not state is one of the assumptions named here; docs/recipes.md gives their
sources. `in2 preflight` counts the finished dataset instead.
"""

from dataclasses import dataclass

import numpy as np

from in2_plugin.config import LONG_PARTS, BuildConfig
from in2_plugin.preflight.dataset_summary import Counts, DatasetSummary

SAMPLE = 20_000
"""Lengths that represent all examples."""
DOCUMENT_TOKENS = 600
"""Tokens of a document (paper, footnote on C4's realnewslike)."""
AROUND_TOKENS = 200
"""Tokens of an example's question, answer and template."""
GENERAL_TOKENS = 500
"""Tokens of a conversation of an instruction dataset."""
ANSWER_TOKENS, MOST_ANSWER_TOKENS = 60, 512
"""Supervised tokens of an answer, and of the longest answer."""
GENERAL_ANSWER_TOKENS = 200
"""Supervised tokens of a conversation."""


@dataclass(frozen=True, slots=True)
class PlannedData:
    """The dataset that a build file asks for."""

    long: int
    """Examples with a context of many segments."""
    short: int
    """Examples with a single document."""
    general: int
    """Conversations."""
    least: int
    """Tokens of the shortest example with a long context."""
    longest: int
    turns: int
    """Questions per long context."""

    @property
    def examples(self) -> int:
        """Rows of the training set."""
        return self.long + self.short + self.general

    def lengths(self) -> Counts:
        """Return (SAMPLE,) lengths in the proportions of the mixture; long examples uniform between the bounds."""
        general, short, long = self._shares()
        document = min(self.longest, DOCUMENT_TOKENS + AROUND_TOKENS)
        parts = [np.full(general, min(self.longest, GENERAL_TOKENS)), np.full(short, document)]
        tokens: Counts = np.concatenate([*parts, np.linspace(self.least, self.longest, long)]).astype(np.int64)
        return tokens

    def answers(self) -> Counts:
        """Return (SAMPLE,) supervised tokens of the same examples; the last has the assumed maximum."""
        general, short, long = self._shares()
        parts = [(general, GENERAL_ANSWER_TOKENS), (short, ANSWER_TOKENS), (long, ANSWER_TOKENS * self.turns)]
        counts: Counts = np.concatenate([np.full(n, tokens) for n, tokens in parts]).astype(np.int64)
        counts[-1] = MOST_ANSWER_TOKENS * max(1, self.turns)
        least: Counts = np.minimum(counts, self.lengths())
        return least

    def _shares(self) -> tuple[int, int, int]:
        """Return the numbers of conversations, short and long examples among SAMPLE."""
        general, short = (round(SAMPLE * part / self.examples) for part in (self.general, self.short))
        return general, short, SAMPLE - general - short

    @property
    def tokens(self) -> float:
        """Tokens of one epoch."""
        return float(self.lengths().mean()) * self.examples

    def facts(self, path: str, sequence_len: int | None) -> DatasetSummary:
        """Return the same dataset in preflight's terms."""
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
    """Return the dataset that a build file asks for."""
    counts = config.mixture.counts()
    turns = config.questions_per_context
    long = sum(counts[part] for part in LONG_PARTS)
    return PlannedData(
        long=-(-long // turns),
        short=counts["short_context"],
        general=counts["general"],
        least=config.lengths.min,
        longest=config.lengths.max,
        turns=turns,
    )

"""Find the segments that must not be in a context with a question, because they repeat its gold or answer it.

Invariant: a segment is banned or not whatever else is in the context. Cost: about 1 us per segment; texts are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from in2_plugin.corpus.store import SegmentStore
from in2_plugin.examples.fillers import FillerPool
from in2_plugin.questions import Question
from in2_plugin.questions.leaks import Forbidden

CACHED_TEXTS = 65_536
SAMPLE = 1_024
"""Maximum number of segments sampled to estimate how many fillers a question allows."""


@dataclass(frozen=True, slots=True)
class Ban:
    """Predicate for segments that are not allowed next to some questions."""

    forbidden: Forbidden
    banned: frozenset[int]
    golds: set[int]
    """Gold segments, each replaced by the segment that it repeats, if any."""
    bans: "Bans"

    def __call__(self, segment: int) -> bool:
        return (
            segment in self.banned
            or self.bans.store.repeats_in_use.get(segment, segment) in self.golds
            or self.forbidden.found_in(self.bans.folded(segment)) is not None
        )


class Bans:
    """Makes the bans of questions about the documents of a store."""

    def __init__(self, store: SegmentStore, *, answers: bool) -> None:
        """`answers`: also ban segments that contain the answer of a question."""
        self.store, self._answers = store, answers
        self.folded = lru_cache(CACHED_TEXTS)(lambda segment: store.text(segment).casefold())
        """Return the case-folded text of a segment."""

    def of(self, questions: Sequence[Question], banned: frozenset[int] = frozenset()) -> Ban:
        """Return the ban of the questions of a context; `banned` segments are banned whatever they contain."""
        quotes = [text for question in questions for text in question.exclusive]
        answers = [question.answer for question in questions] if self._answers else []
        repeats = self.store.repeats_in_use
        golds = {repeats.get(i, i) for question in questions for i in question.gold}
        return Ban(Forbidden(quotes, answers), banned, golds, self)


class Fillers:
    """The segments that may be fillers, with a sample of them that tells how many a question allows."""

    def __init__(self, pool: FillerPool, bans: Bans) -> None:
        self.pool, self._sample, self._bans = pool, pool.sample(SAMPLE), bans

    @cached_property
    def _sampled_text(self) -> str:
        return "\n".join(map(self._bans.folded, self._sample.ids.tolist()))

    def free_tokens(self, question: Question) -> float:
        """Return the tokens of all allowed fillers of a question, estimated from a sample in a large corpus."""
        pool, sample, ban = self.pool, self._sample, self._bans.of([question])
        free = sample.document != question.document
        # mostly none is banned, which one search of all texts shows
        if self._bans.store.repeats_in_use or ban.forbidden.found_in(self._sampled_text):
            free[free] = [not ban(segment) for segment in sample.ids[free].tolist()]
        tokens = int(sample.n_tokens[free].sum(dtype=np.int64))
        # minus two long segments: the last fillers are selected among those that fit
        return tokens * len(pool.ids) / max(1, len(sample.ids)) - 2 * pool.common_lengths[1]

"""Group questions that share contexts: none may be answered by a text that is there for another.

Invariants: the golds of a group come from different documents, no gold answers another question of the group, and
enough of the corpus may stand beside all of them to fill a context. First fit, in the order of the questions, so the
groups depend on nothing else. Cost: about 1 ms per question for the search of a sample of fillers.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from in2_plugin.corpus.store import SegmentStore
from in2_plugin.examples.fillers import FillerPool
from in2_plugin.probing.own_text.tables import DepthQuestion
from in2_plugin.questions.leaks import Forbidden, fold

CACHED_TEXTS = 65_536
SAMPLE = 8_192
"""Segments above which the tokens that may stand beside a question are estimated from a sample."""
MOST_GOLD = 0.5
"""Largest share of a context that golds take."""


class Neighbours:
    """Tells which segments may be fillers beside questions."""

    def __init__(self, store: SegmentStore, pool: FillerPool) -> None:
        self.store, self.pool = store, pool
        self._sample = pool.sample(SAMPLE)
        self._folded = lru_cache(CACHED_TEXTS)(lambda segment: fold(store.text(segment)))
        self._allowed = lru_cache(None)(self._allowed_of_sample)

    def ban(self, questions: Sequence[DepthQuestion]) -> Callable[[int], bool]:
        """Return a predicate for segments that hold an answer or a quotation, or repeat a gold.

        Texts are compared as the score compares them, so that whatever counts as an answer is kept out.
        """
        quotes = [fold(text) for question in questions for text in question.exclusive]
        forbidden = Forbidden(quotes, [fold(text) for question in questions for text in question.gold])
        repeats = self.store.repeats_in_use
        golds = {repeats.get(i, i) for question in questions for i in question.segments}

        def is_banned(segment: int) -> bool:
            return repeats.get(segment, segment) in golds or forbidden.found_in(self._folded(segment)) is not None

        return is_banned

    def free_tokens(self, questions: Sequence[DepthQuestion]) -> float:
        """Return the tokens of all fillers that may stand beside every one of the questions.

        Two long segments are subtracted, because the last fillers are selected among those that fit.
        """
        allowed = np.logical_and.reduce([self._allowed(question) for question in questions])
        share = len(self.pool.ids) / max(1, len(self._sample.ids))
        return float(self._sample.n_tokens[allowed].sum()) * share - 2 * self.pool.common_lengths[1]

    def banned_share(self, question: DepthQuestion) -> float:
        """Return the share of the segments of other documents that hold its answer."""
        others = self._sample.document != question.document
        return 1 - float(self._allowed(question)[others].mean()) if others.any() else 1.0

    def gold_tokens(self, questions: Sequence[DepthQuestion]) -> int:
        """Return the tokens of all golds."""
        return int(self.store.n_tokens[[i for question in questions for i in question.segments]].sum())

    def _allowed_of_sample(self, question: DepthQuestion) -> npt.NDArray[np.bool_]:
        banned, others = self.ban([question]), self._sample.document != question.document
        return np.array(
            [other and not banned(i) for other, i in zip(others.tolist(), self._sample.ids.tolist(), strict=True)], bool
        )


def group(
    questions: Sequence[DepthQuestion], neighbours: Neighbours, length: int, most: int
) -> list[tuple[DepthQuestion, ...]]:
    """Return the groups of questions that share the contexts of one length, each of at most `most`."""
    groups: list[list[DepthQuestion]] = []
    for question in questions:
        for found in groups:
            if len(found) < most and _go_together(found, question, neighbours, length):
                found.append(question)
                break
        else:
            groups.append([question])
    return [tuple(found) for found in groups]


def _go_together(found: Sequence[DepthQuestion], question: DepthQuestion, neighbours: Neighbours, length: int) -> bool:
    both = [*found, question]
    if any(one.document == question.document for one in found):
        return False
    if neighbours.gold_tokens(both) > MOST_GOLD * length:
        return False
    bans, theirs = neighbours.ban([question]), neighbours.ban(found)
    return (
        not any(bans(i) for one in found for i in one.segments)
        and not any(map(theirs, question.segments))
        and neighbours.free_tokens(both) >= length
    )

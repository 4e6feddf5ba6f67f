"""Make questions from the text itself, without a language model: quote a few words and ask for the text around them.

The writer is deterministic, and no substitute for questions of a language model. It teaches a model to find and copy
text at any depth. The VAL probes test the same skill, so probe scores after training on these questions must not be
compared with FILM-7B's. Invariant: each quotation occurs once in its passage, and the planner keeps it out of all
fillers. Cost: about 0.4 ms per passage of one segment.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from in2_plugin.questions.extractive.dealing import deal
from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.question import Passage, Question, Rejection, Results

TRIES = 4
"""Random choices of a form before the next form, so that forms that often fail do not lose their share."""


class ExtractiveWriter:
    """A `QuestionWriter` without an endpoint; the same seed, weights and passage give the same question."""

    name = "extractive/2"

    def __init__(self, seed: int, weights: Mapping[str, float] | None = None) -> None:
        """Write with `weights` by name of a form, style or direction; 1 when absent."""
        self._seed, self._weights = seed, dict(weights or {})

    def write(self, passages: Iterable[Passage], missing: Callable[[], int]) -> Results:
        for passage in passages:
            yield self._write_one(passage)

    def detail(self) -> str:
        return ""

    def _write_one(self, passage: Passage) -> Question | Rejection:
        # seeded by the passage alone, so that the result does not depend on earlier passages
        rng = np.random.default_rng(
            [self._seed, passage.draw, passage.segment_ids[0], zlib.crc32(passage.kind.encode())]
        )
        excerpt = Excerpt.of(passage.texts)
        for form in deal(excerpt, passage.kind, self._weights, rng):
            for _ in range(TRIES):
                if draft := form.write(excerpt, rng):
                    return Question(
                        kind=passage.kind,
                        form=form.name,
                        question=draft.question,
                        answer=draft.answer,
                        document=passage.document,
                        segment_ids=passage.context,
                        gold=tuple(passage.segment_ids[i] for i in sorted(set(draft.segments))),
                        exclusive=draft.exclusive,
                        writer=self.name,
                        short_context=bool(passage.whole),
                    )
        return Rejection(passage, "nothing in it can be asked about without ambiguity")

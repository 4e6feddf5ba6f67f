"""Make questions from the text itself, without a language model: quote a few words and ask for the text around them.

The writer is deterministic, and no substitute for questions of a language model. It teaches a model to find and copy
text at any depth. The VAL probes test the same skill, so probe scores after training on these questions must not be
compared with FILM-7B's. Invariant: each quotation occurs once in its passage, and the planner keeps it out of all
fillers. Cost: about 0.3 ms per segment.
"""

import zlib
from collections.abc import Callable, Iterable

import numpy as np

from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.extractive.registry import FORMS
from in2_plugin.questions.question import Passage, Question, Rejection, Results


class ExtractiveWriter:
    """A `QuestionWriter` without an endpoint; the same seed and passage give the same question."""

    name = "extractive/1"

    def __init__(self, seed: int) -> None:
        self._seed = seed

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
        forms = [form for form in FORMS if form.kind is passage.kind]
        for index in rng.permutation(len(forms)):
            form = forms[index]
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
        return Rejection(passage, "no sentence of it can be asked about without ambiguity")

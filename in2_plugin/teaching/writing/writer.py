"""Let a teacher answer the questions of some examples from their gold segments, and check what it wrote.

Invariant: the answers depend on the examples, the model and the settings alone, whatever was answered before. Cost: one
generated answer per question and attempt; a question is asked again only until an answer is verified.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from in2_plugin.config import PARTS
from in2_plugin.dataset.example_rows import ExampleRows
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.examples.planner import GENERAL
from in2_plugin.teaching.rows import GoldOnlyRows
from in2_plugin.teaching.writing.decoding import AnswerDecoding, AnsweringTeacher
from in2_plugin.teaching.writing.verification import AnswerOutcome, AnswerVerifier, CheckedAnswer

SEED = 26_041_753


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """One question with its gold segments alone."""

    example: int
    turn: int
    prompt: npt.NDArray[Any]
    """(n_tokens,) ids up to the answer."""
    end: int
    """Id of the end-of-turn token."""
    stored: str
    """The answer of the dataset."""


class AnswerWriter:
    """Writes answers to the questions about a context; conversations without one have no gold to read."""

    def __init__(
        self, dataset: IN2Dataset, rows: GoldOnlyRows, teacher: AnsweringTeacher, decoding: AnswerDecoding
    ) -> None:
        self._gold, self._teacher, self._decoding = rows, teacher, decoding
        self._rows = ExampleRows(dataset.folder)
        self._verifier = AnswerVerifier(dataset.tokenizer, dataset.renderer.template)
        has_context = dataset.plans.part != PARTS.index(GENERAL)
        self._n_questions = np.where(has_context, dataset.plans.n_turns, 0)

    def n_questions(self, examples: range) -> int:
        """Return the number of questions of a range of examples."""
        return int(self._n_questions[examples.start : examples.stop].sum())

    def write(
        self, examples: range, step: Callable[[int], None] = lambda _: None
    ) -> list[tuple[int, int, CheckedAnswer]]:
        """Return (example, turn, answer) for each question: the first verified answer, or the last attempt.

        Args:
            step: called with the number of questions just answered for the first time.

        Raises:
            ConfigError: see `AnsweringTeacher.write`.
        """
        asked = [question for example in examples for question in self._questions(example)]
        found: dict[int, CheckedAnswer] = {}
        for attempt in range(self._decoding.samples):
            pending = [i for i in range(len(asked)) if attempt == 0 or found[i].outcome is not AnswerOutcome.VERIFIED]
            if not pending:
                break
            seed = int(np.random.SeedSequence([SEED, examples.start, attempt]).generate_state(1)[0])
            prompts = [asked[i].prompt for i in pending]
            written = self._teacher.write(
                prompts, asked[0].end, self._decoding, seed, (lambda _: None) if attempt else step
            )
            for i, tokens in zip(pending, written, strict=True):
                found[i] = self._verifier.check(asked[i].prompt.tolist(), tokens, asked[i].stored)
        return [(question.example, question.turn, found[i]) for i, question in enumerate(asked)]

    def _questions(self, example: int) -> Iterator[GoldQuestion]:
        if not self._n_questions[example]:
            return
        turns = self._rows[example]["turns"]
        for number, (turn, gold) in enumerate(zip(turns, self._gold.of(example), strict=True)):
            prompt, end = gold.ids[: gold.answer.start], int(gold.ids[-1])
            yield GoldQuestion(example, number, prompt, end, turn["answer"])

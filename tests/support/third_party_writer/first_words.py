"""A question writer of another package: it quotes the first words of a segment and asks for the next ones."""

from contextlib import nullcontext

from pydantic import BaseModel, ConfigDict, PositiveInt

from in2_plugin.questions import Kind, Question, Rejection
from in2_plugin.questions.writers import WriterSetup, WriterSpec


class FirstWordsSettings(BaseModel):
    """`questions.settings` of a build file."""

    model_config = ConfigDict(extra="forbid")

    quoted: PositiveInt = 8
    """Words in the question."""
    answered: PositiveInt = 8
    """Words in the answer."""


class FirstWords:
    """A `QuestionWriter` for fine-grained questions."""

    name = "first_words/1"

    def __init__(self, settings: FirstWordsSettings) -> None:
        self._settings = settings

    def write(self, passages, missing):
        for passage in passages:
            yield self._question(passage)

    def detail(self) -> str:
        return ""

    def _question(self, passage) -> Question | Rejection:
        if passage.kind is not Kind.FINE_GRAINED or passage.draw:
            return Rejection(passage, "first_words asks one fine-grained question per segment")
        words = passage.texts[0].split()
        quoted, answered = self._settings.quoted, self._settings.answered
        if len(words) < quoted + answered:
            return Rejection(passage, "the segment has too few words")
        quote, answer = " ".join(words[:quoted]), " ".join(words[quoted : quoted + answered])
        return Question(
            kind=passage.kind,
            form="first_words",
            question=f'Which {answered} words follow "{quote}"?',
            answer=answer,
            document=passage.document,
            segment_ids=passage.context,
            gold=passage.segment_ids,
            exclusive=(),
            writer=self.name,
        )


def _open(setup: WriterSetup):
    return nullcontext(FirstWords(setup.settings))


FIRST_WORDS = WriterSpec(
    _open, "made from the first words of segments", settings=FirstWordsSettings, runs_in_workers=True
)

"""Define the values of the question stage: a writer turns a `Passage` into a `Question` or a `Rejection`."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """Kinds of questions."""

    FINE_GRAINED = "fine_grained"
    """The answer is in one segment (paper, equation 1)."""
    INTEGRATION = "integration"
    """The answer needs at least two segments of one document (paper, equation 2)."""


class Part(StrEnum):
    """Parts of the mixture with questions about text; the other part is general conversations."""

    FINE_GRAINED = "fine_grained"
    INTEGRATION = "integration"
    SHORT_CONTEXT = "short_context"
    """Questions of both kinds whose context is a single document."""
    RECORDS = "records"
    """Questions of both kinds about invented records."""


RECORDS_WRITER = "records/"
"""Start of `Question.writer` for the questions of `Part.RECORDS`; no other writer can have this name."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Text that a question is written about: one segment (fine-grained) or those of a document (integration)."""

    kind: Kind
    document: int
    segment_ids: tuple[int, ...]
    texts: tuple[str, ...]
    draw: int
    """Number of earlier draws of this passage; a writer must not repeat itself from draw to draw."""
    whole: tuple[int, ...] = ()
    """All segments of the document, for a question whose context is the document alone."""

    @property
    def context(self) -> tuple[int, ...]:
        """All segments that go into the context with the question, in document order."""
        return self.whole or self.segment_ids


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer, and the texts that keep it unambiguous."""

    kind: Kind
    form: str
    """The writer's own name for this sort of question."""
    question: str
    answer: str
    document: int
    segment_ids: tuple[int, ...]
    """All segments that go into the context with the question, in document order."""
    gold: tuple[int, ...]
    """The segments among `segment_ids` that the answer needs."""
    exclusive: tuple[str, ...]
    """Texts that no filler may contain, ignoring case: quotations in the question, and the answer."""
    writer: str
    verified: tuple[str, ...] = ()
    """Checks by a model that the question has passed."""
    request: str = ""
    """Key of the request that produced it, in hexadecimal; empty without a request."""
    short_context: bool = False
    """True when the context is the document alone."""

    @property
    def part(self) -> Part:
        """Part of the mixture that the question belongs to."""
        if self.writer.startswith(RECORDS_WRITER):
            return Part.RECORDS
        return Part.SHORT_CONTEXT if self.short_context else Part(self.kind)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A passage without a question, or a rejected question, with the reason."""

    passage: Passage
    reason: str
    question: str | None = None
    answer: str | None = None
    writer: str | None = None
    request: str = ""
    """Key of the request that produced it, in hexadecimal."""
    excerpt: str = ""
    """The beginning of an answer without a question, to show; it is not stored."""


Results = Generator[Question | Rejection, None, None]


class QuestionWriter(Protocol):
    """Writes questions about passages: at least one result per passage, in the order of the passages."""

    @property
    def name(self) -> str:
        """Name and version, stored with every question; change it whenever the results change."""

    def write(self, passages: Iterable[Passage], missing: Callable[[], int]) -> Results:
        """Yield the results of the passages in order; close the generator to end the work.

        `missing` returns how many questions are still wanted, so that a writer that pays per request starts few more
        passages than needed.
        """

    def detail(self) -> str:
        """Return one line about the current state for the progress display, or an empty string."""

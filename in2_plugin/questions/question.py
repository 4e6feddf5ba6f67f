"""What passes through the question stage: a passage goes in, a question or a rejection comes out."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What a question asks for."""

    FINE_GRAINED = "fine_grained"
    """The answer sits in one segment (paper, equation 1)."""
    INTEGRATION = "integration"
    """The answer needs at least two segments of one document (paper, equation 2)."""


class Part(StrEnum):
    """The parts of the mixture that ask about text; conversations are the fourth."""

    FINE_GRAINED = "fine_grained"
    INTEGRATION = "integration"
    SHORT_CONTEXT = "short_context"
    """Questions of both kinds, on a document by itself."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a question is written about: one segment (fine-grained) or all of a document's (integration)."""

    kind: Kind
    document: int
    segment_ids: tuple[int, ...]
    texts: tuple[str, ...]
    draw: int
    """Counts the times this passage was offered; a writer must not repeat itself from draw to draw."""
    whole: tuple[int, ...] = ()
    """Every segment of its document, for a question that gets the document by itself as its context."""

    @property
    def context(self) -> tuple[int, ...]:
        """Every segment that goes into the context with a question about it, in document order."""
        return self.whole or self.segment_ids


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer, and what makes it unambiguous."""

    kind: Kind
    form: str
    """What sort of question it is, in the writer's own terms."""
    question: str
    answer: str
    document: int
    segment_ids: tuple[int, ...]
    """Every segment that goes into the context with it, in document order."""
    gold: tuple[int, ...]
    """Those of `segment_ids` that the answer needs."""
    exclusive: tuple[str, ...]
    """Texts that no filler may contain, upper or lower case: what the question quotes, and the answer."""
    writer: str
    verified: tuple[str, ...] = ()
    """Checks by a model that it has passed."""
    request: str = ""
    """Key of the call that gave it, in hexadecimal; empty where none was made."""
    short_context: bool = False
    """It gets the document by itself as its context."""

    @property
    def part(self) -> Part:
        """The part of the mixture that it counts for."""
        return Part.SHORT_CONTEXT if self.short_context else Part(self.kind)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A passage that gave no question, or a question that was turned down, and why."""

    passage: Passage
    reason: str
    question: str | None = None
    answer: str | None = None
    writer: str | None = None
    request: str = ""
    """Key of the call that gave it, in hexadecimal."""


Results = Generator[Question | Rejection, None, None]


class QuestionWriter(Protocol):
    """Writes questions about passages: at least one result for each, in the order of the passages."""

    @property
    def name(self) -> str:
        """Name and version; stored with every question."""

    def write(self, passages: Iterable[Passage], missing: Callable[[], int]) -> Results:
        """Take passages as fast as they can be worked on, and give back their results in order.

        `missing` tells how many questions are still wanted, so that a writer that pays for each does not begin many
        more passages than are needed. Closing the generator ends the work.
        """

    def detail(self) -> str:
        """A line about how it is getting on; empty when there is nothing to say."""

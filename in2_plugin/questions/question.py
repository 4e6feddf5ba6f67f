"""What passes through the question stage: a passage goes in, a question or a rejection comes out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """The two long parts of the mixture."""

    FINE_GRAINED = "fine_grained"
    """The answer sits in one segment (paper, equation 1)."""
    INTEGRATION = "integration"
    """The answer needs at least two segments of one document (paper, equation 2)."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a question is written about: one segment (fine-grained) or all of a document's (integration)."""

    kind: Kind
    document: int
    segment_ids: tuple[int, ...]
    texts: tuple[str, ...]
    draw: int
    """Counts the times this passage was offered; a writer must not repeat itself from draw to draw."""


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


@dataclass(frozen=True, slots=True)
class Rejection:
    """A passage that gave no question, and why."""

    passage: Passage
    reason: str


class QuestionWriter(Protocol):
    """Writes questions about passages. Implementations may answer in any order, but exactly once a passage."""

    @property
    def name(self) -> str:
        """Name and version; stored with every question."""

    def write(self, passages: Iterable[Passage]) -> Iterator[Question | Rejection]:
        """Take passages as fast as they can be worked on and give back one result for each."""

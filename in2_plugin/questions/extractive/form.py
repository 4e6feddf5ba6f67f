"""Declare forms of questions: what text a form asks about, and on which side of the quotation its answer is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from in2_plugin.questions.extractive.quoting import Draft, Excerpt
from in2_plugin.questions.question import Kind


class TextStyle(StrEnum):
    """Kinds of text in a passage."""

    PROSE = "prose"
    CODE = "code"
    STRUCTURED = "structured"
    """Tables, lists, `key: value`, CSV and JSON lines."""


class Direction(StrEnum):
    """Where the answer begins, seen from the quotation."""

    FORWARD = "forward"
    """After it."""
    BACKWARD = "backward"
    """Before it."""
    BOTH = "both"
    """The answer surrounds the quotation, or is between two."""


@dataclass(frozen=True, slots=True)
class QuestionForm:
    """A form of question, named after its function."""

    write: Callable[[Excerpt, np.random.Generator], Draft | None]
    """Returns None when its random choice fails; the writer calls it again, then tries other forms."""
    kind: Kind
    style: TextStyle
    direction: Direction

    @property
    def name(self) -> str:
        """Name in build files and in questions.parquet."""
        return self.write.__name__

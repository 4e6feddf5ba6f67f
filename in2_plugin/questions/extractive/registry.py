"""Register the forms of the extractive writer, each with the kind of text that it asks about and the side of the
quotation that its answer is on, and the recognizers of these kinds.

To add a form, write a function in the module of its style and add it to `FORMS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from in2_plugin.questions.extractive import code, integration, pairs, prose, structured
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


FORMS = (
    QuestionForm(prose.words_after, Kind.FINE_GRAINED, TextStyle.PROSE, Direction.FORWARD),
    QuestionForm(prose.next_sentence, Kind.FINE_GRAINED, TextStyle.PROSE, Direction.FORWARD),
    QuestionForm(prose.words_before, Kind.FINE_GRAINED, TextStyle.PROSE, Direction.BACKWARD),
    QuestionForm(prose.sentence_start, Kind.FINE_GRAINED, TextStyle.PROSE, Direction.BACKWARD),
    QuestionForm(prose.line_start, Kind.FINE_GRAINED, TextStyle.PROSE, Direction.BACKWARD),
    QuestionForm(prose.previous_start, Kind.FINE_GRAINED, TextStyle.PROSE, Direction.BACKWARD),
    QuestionForm(prose.previous_sentence, Kind.FINE_GRAINED, TextStyle.PROSE, Direction.BACKWARD),
    QuestionForm(prose.sentence_ending, Kind.FINE_GRAINED, TextStyle.PROSE, Direction.BACKWARD),
    QuestionForm(prose.sentence_with, Kind.FINE_GRAINED, TextStyle.PROSE, Direction.BOTH),
    QuestionForm(prose.missing_words, Kind.FINE_GRAINED, TextStyle.PROSE, Direction.BOTH),
    QuestionForm(code.next_line, Kind.FINE_GRAINED, TextStyle.CODE, Direction.FORWARD),
    QuestionForm(code.signature_of, Kind.FINE_GRAINED, TextStyle.CODE, Direction.FORWARD),
    QuestionForm(code.assigned_value, Kind.FINE_GRAINED, TextStyle.CODE, Direction.FORWARD),
    QuestionForm(code.previous_line, Kind.FINE_GRAINED, TextStyle.CODE, Direction.BACKWARD),
    QuestionForm(code.definition_around, Kind.FINE_GRAINED, TextStyle.CODE, Direction.BACKWARD),
    QuestionForm(code.name_of_signature, Kind.FINE_GRAINED, TextStyle.CODE, Direction.BACKWARD),
    QuestionForm(code.assigned_name, Kind.FINE_GRAINED, TextStyle.CODE, Direction.BACKWARD),
    QuestionForm(code.line_with, Kind.FINE_GRAINED, TextStyle.CODE, Direction.BOTH),
    QuestionForm(code.lines_between, Kind.FINE_GRAINED, TextStyle.CODE, Direction.BOTH),
    QuestionForm(structured.value_of_key, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.FORWARD),
    QuestionForm(structured.row_end, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.FORWARD),
    QuestionForm(structured.cell_after, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.FORWARD),
    QuestionForm(structured.next_row, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.FORWARD),
    QuestionForm(structured.next_item, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.FORWARD),
    QuestionForm(structured.key_of_value, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.BACKWARD),
    QuestionForm(structured.row_start, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.BACKWARD),
    QuestionForm(structured.cell_before, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.BACKWARD),
    QuestionForm(structured.previous_row, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.BACKWARD),
    QuestionForm(structured.previous_item, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.BACKWARD),
    QuestionForm(structured.row_with, Kind.FINE_GRAINED, TextStyle.STRUCTURED, Direction.BOTH),
    QuestionForm(integration.rest_of_both, Kind.INTEGRATION, TextStyle.PROSE, Direction.FORWARD),
    QuestionForm(integration.both_beginnings, Kind.INTEGRATION, TextStyle.PROSE, Direction.BACKWARD),
    QuestionForm(integration.shared_word, Kind.INTEGRATION, TextStyle.PROSE, Direction.BOTH),
    QuestionForm(integration.other_sentence_with_word, Kind.INTEGRATION, TextStyle.PROSE, Direction.BOTH),
    QuestionForm(integration.longer_sentence, Kind.INTEGRATION, TextStyle.PROSE, Direction.BOTH),
    QuestionForm(pairs.code_after_both, Kind.INTEGRATION, TextStyle.CODE, Direction.FORWARD),
    QuestionForm(pairs.code_before_both, Kind.INTEGRATION, TextStyle.CODE, Direction.BACKWARD),
    QuestionForm(pairs.values_of_both, Kind.INTEGRATION, TextStyle.STRUCTURED, Direction.FORWARD),
    QuestionForm(pairs.keys_of_both, Kind.INTEGRATION, TextStyle.STRUCTURED, Direction.BACKWARD),
)

RECOGNIZERS: Mapping[TextStyle, Callable[[Excerpt], bool]] = {
    TextStyle.PROSE: lambda excerpt: excerpt.has_sentences,
    TextStyle.CODE: code.has_code,
    TextStyle.STRUCTURED: structured.has_structure,
}
"""Tell whether an excerpt has text of a style; forms of a style without a recognizer are never asked."""

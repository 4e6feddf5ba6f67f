"""Register the forms of the extractive writer, and the recognizers of the styles that they need.

To add a form, write a function in the module of its style and add it to `FORMS`.
"""

from collections.abc import Callable, Mapping

from in2_plugin.questions.extractive import code, integration, pairs, prose, structured
from in2_plugin.questions.extractive.form import Direction, Form, Style
from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.question import Kind

FORMS = (
    Form(prose.words_after, Kind.FINE_GRAINED, Style.PROSE, Direction.FORWARD),
    Form(prose.sentence_end, Kind.FINE_GRAINED, Style.PROSE, Direction.FORWARD),
    Form(prose.next_sentence, Kind.FINE_GRAINED, Style.PROSE, Direction.FORWARD),
    Form(prose.words_before, Kind.FINE_GRAINED, Style.PROSE, Direction.BACKWARD),
    Form(prose.sentence_start, Kind.FINE_GRAINED, Style.PROSE, Direction.BACKWARD),
    Form(prose.line_start, Kind.FINE_GRAINED, Style.PROSE, Direction.BACKWARD),
    Form(prose.previous_start, Kind.FINE_GRAINED, Style.PROSE, Direction.BACKWARD),
    Form(prose.previous_sentence, Kind.FINE_GRAINED, Style.PROSE, Direction.BACKWARD),
    Form(prose.sentence_ending, Kind.FINE_GRAINED, Style.PROSE, Direction.BACKWARD),
    Form(prose.sentence_with, Kind.FINE_GRAINED, Style.PROSE, Direction.BOTH),
    Form(prose.missing_words, Kind.FINE_GRAINED, Style.PROSE, Direction.BOTH),
    Form(code.next_line, Kind.FINE_GRAINED, Style.CODE, Direction.FORWARD),
    Form(code.signature_of, Kind.FINE_GRAINED, Style.CODE, Direction.FORWARD),
    Form(code.assigned_value, Kind.FINE_GRAINED, Style.CODE, Direction.FORWARD),
    Form(code.previous_line, Kind.FINE_GRAINED, Style.CODE, Direction.BACKWARD),
    Form(code.definition_around, Kind.FINE_GRAINED, Style.CODE, Direction.BACKWARD),
    Form(code.name_of_signature, Kind.FINE_GRAINED, Style.CODE, Direction.BACKWARD),
    Form(code.assigned_name, Kind.FINE_GRAINED, Style.CODE, Direction.BACKWARD),
    Form(code.line_with, Kind.FINE_GRAINED, Style.CODE, Direction.BOTH),
    Form(code.lines_between, Kind.FINE_GRAINED, Style.CODE, Direction.BOTH),
    Form(structured.value_of_key, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.FORWARD),
    Form(structured.row_end, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.FORWARD),
    Form(structured.cell_after, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.FORWARD),
    Form(structured.next_row, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.FORWARD),
    Form(structured.next_item, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.FORWARD),
    Form(structured.key_of_value, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.BACKWARD),
    Form(structured.row_start, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.BACKWARD),
    Form(structured.cell_before, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.BACKWARD),
    Form(structured.previous_row, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.BACKWARD),
    Form(structured.previous_item, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.BACKWARD),
    Form(structured.row_with, Kind.FINE_GRAINED, Style.STRUCTURED, Direction.BOTH),
    Form(integration.rest_of_both, Kind.INTEGRATION, Style.PROSE, Direction.FORWARD),
    Form(integration.both_beginnings, Kind.INTEGRATION, Style.PROSE, Direction.BACKWARD),
    Form(integration.shared_word, Kind.INTEGRATION, Style.PROSE, Direction.BOTH),
    Form(integration.other_sentence_with_word, Kind.INTEGRATION, Style.PROSE, Direction.BOTH),
    Form(integration.longer_sentence, Kind.INTEGRATION, Style.PROSE, Direction.BOTH),
    Form(pairs.code_after_both, Kind.INTEGRATION, Style.CODE, Direction.FORWARD),
    Form(pairs.code_before_both, Kind.INTEGRATION, Style.CODE, Direction.BACKWARD),
    Form(pairs.values_of_both, Kind.INTEGRATION, Style.STRUCTURED, Direction.FORWARD),
    Form(pairs.keys_of_both, Kind.INTEGRATION, Style.STRUCTURED, Direction.BACKWARD),
)

RECOGNIZERS: Mapping[Style, Callable[[Excerpt], bool]] = {
    Style.PROSE: lambda excerpt: bool(excerpt.sentences),
    Style.CODE: code.has_code,
    Style.STRUCTURED: structured.has_structure,
}
"""Tell whether an excerpt has text of a style; forms of a style without a recognizer are never asked."""

"""Register the forms of the extractive writer, and the recognizers of the styles that they need.

To add a form, write a function in the module of its style and add it to `FORMS`.
"""

from collections.abc import Callable, Mapping

from in2_plugin.questions.extractive import integration, prose
from in2_plugin.questions.extractive.form import Direction, Form, Style
from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.question import Kind

FORMS = (
    Form(prose.words_after, Kind.FINE_GRAINED, Style.PROSE, Direction.FORWARD),
    Form(prose.next_sentence, Kind.FINE_GRAINED, Style.PROSE, Direction.FORWARD),
    Form(prose.words_before, Kind.FINE_GRAINED, Style.PROSE, Direction.BACKWARD),
    Form(prose.sentence_with, Kind.FINE_GRAINED, Style.PROSE, Direction.BOTH),
    Form(prose.missing_words, Kind.FINE_GRAINED, Style.PROSE, Direction.BOTH),
    Form(integration.rest_of_both, Kind.INTEGRATION, Style.PROSE, Direction.FORWARD),
    Form(integration.shared_word, Kind.INTEGRATION, Style.PROSE, Direction.BOTH),
    Form(integration.other_sentence_with_word, Kind.INTEGRATION, Style.PROSE, Direction.BOTH),
    Form(integration.longer_sentence, Kind.INTEGRATION, Style.PROSE, Direction.BOTH),
)

RECOGNIZERS: Mapping[Style, Callable[[Excerpt], bool]] = {
    Style.PROSE: lambda excerpt: bool(excerpt.sentences),
}
"""Tell whether an excerpt has text of a style; forms of a style without a recognizer are never asked."""

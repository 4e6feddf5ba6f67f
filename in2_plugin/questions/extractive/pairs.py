"""Integration forms of the extractive writer about code and structured text: two look-ups in one answer.

Each asks a fine-grained question about two segments of one document (paper, equation 2). The texts that it quotes occur
once in the whole passage.
"""

from collections.abc import Callable

import numpy as np

from in2_plugin.questions.extractive import code, structured
from in2_plugin.questions.extractive.quoting import Draft, Excerpt

SEPARATOR = " / "
"""Between the two answers, as in `rest_of_both`."""
TRIES = 6
"""Segments that a form looks at."""

Ask = Callable[[Excerpt, np.random.Generator], Draft | None]


def _both(excerpt: Excerpt, rng: np.random.Generator, *asks: Ask) -> Draft | None:
    """Ask one of the questions about each of two segments; the same sort of question, so that the answers are alike."""
    ask = asks[rng.integers(len(asks))]
    drafts: dict[int, Draft] = {}
    for segment in map(int, rng.permutation(len(excerpt.texts))[:TRIES]):
        # the text of one segment, but a quotation must occur once in all of them
        if draft := ask(Excerpt((excerpt.texts[segment],), excerpt.folded), rng):
            drafts[segment] = draft
        if len(drafts) == 2:
            return _joined(drafts)
    return None


def _joined(drafts: dict[int, Draft]) -> Draft:
    first, second = drafts.values()
    question = f"Answer two questions, with a slash between the answers. {first.question} {second.question}"
    answers = (first.answer, second.answer)
    quoted = [text for draft in (first, second) for text in draft.exclusive if text not in answers]
    return Draft(question, SEPARATOR.join(answers), tuple(drafts), (*quoted, *answers))


def code_after_both(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for what follows two lines or names."""
    return _both(excerpt, rng, code.next_line, code.signature_of)


def code_before_both(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for what two lines come after, or for the names of two signatures or functions."""
    return _both(excerpt, rng, code.previous_line, code.name_of_signature, code.definition_around)


def values_of_both(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the values of two keys, or for the ends of two rows."""
    return _both(excerpt, rng, structured.value_of_key, structured.row_end)


def keys_of_both(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the keys of two values, or for the beginnings of two rows."""
    return _both(excerpt, rng, structured.key_of_value, structured.row_start)

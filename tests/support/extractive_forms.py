"""Read the questions of the extractive writer."""

import re

QUOTED = re.compile(r'"([^"]*)"')


def of_form(written, form):
    """Return the questions of a form, at least three, with their passages."""
    found = [(passage, question) for passage, question in written if question.form == form]
    assert len(found) >= 3, f"too few questions of the form {form}"
    return found


def flat(text: str) -> str:
    """Collapse white space."""
    return " ".join(text.split())

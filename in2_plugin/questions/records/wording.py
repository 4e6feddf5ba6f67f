"""Word questions about records: one field of a record is given, another one is asked.

A field that comes after the given one in the text is asked forward, one before it backward. Invariant: no wording is
one of a probe's.
"""

from collections.abc import Sequence

ONE = {
    "value_of_key": (
        "What is the {asked} of {noun} {given}?",
        "Which {asked} is on record for {noun} {given}?",
        "Look up {noun} {given}. What is the {asked}?",
        "State the {asked} of {noun} {given}.",
        "{noun} {given}: {asked}?",
    ),
    "key_of_value": (
        "Which {noun} has the {label} {given}?",
        "The {label} {given} is that of which {noun}?",
        "Find the {noun} whose {label} is {given}.",
        "To which {noun} does the {label} {given} belong?",
        "{label} {given}: which {noun}?",
    ),
    "value_of_value": (
        "What is the {asked} of the {noun} with the {label} {given}?",
        "The {noun} whose {label} is {given} has which {asked}?",
        "Look up the {label} {given}. Which {asked} goes with it?",
        "State the {asked} next to the {label} {given}.",
    ),
}
"""Wordings of a question about one record. `noun` is the label of the key, `label` that of the given field."""
TWO = {
    "value_of_key": (
        "What is the {asked} of {noun} {given}, and what is that of {noun} {other}?",
        "State the {asked} of {noun} {given} first, then that of {noun} {other}.",
        "Look up two records, {given} and {other}. What is the {asked} of each, in this order?",
    ),
    "key_of_value": (
        "Which {noun} has the {label} {given}, and which one has {other}?",
        "Name the {noun} with the {label} {given}, then the one with {other}.",
        "The {label} {given} is that of which {noun}, and {other} that of which one?",
    ),
    "value_of_value": (
        "What is the {asked} next to the {label} {given}, and the one next to {other}?",
        "Two records have the {label} {given} and {other}. State the {asked} of each, in this order.",
    ),
}
"""The same about two records, whose answers are joined."""
RECORD_FORMS = {
    "record_after": "forward", "record_before": "backward", "records_after": "forward", "records_before": "backward"
}  # fmt: skip
"""Directions by the names of forms in questions.parquet: one record or several, and where the answer is."""
JOINS = (" and ", ", ", "; ")


def relation_of(given: int, asked: int) -> str:
    """Return the key of ONE and TWO for two fields of a record; field 0 is its key."""
    if not given:
        return "value_of_key"
    return "value_of_value" if asked else "key_of_value"


def question_text(wording: str, labels: Sequence[str], given: int, asked: int, *identifiers: str) -> str:
    """Return the text of a question.

    Args:
        labels: of the fields of a record, the key first.
        given, asked: numbers of the given and the asked field.
        identifiers: the given field of each record.
    """
    names = dict(zip(("given", "other"), identifiers, strict=False))
    text = wording.format(noun=labels[0], label=labels[given], asked=labels[asked], **names)
    return text[0].upper() + text[1:]

"""Write the text of a page of records: JSON objects, a dictionary, blocks, a table, separated values, or sentences.

Invariant: a page consists of a head, one item per record, and an end, so that its length follows from its items; each
identifier is written exactly as it is. No item has the form of a VAL item (`<id: ..., label: ..., description: ...>`)
and no page is a JSON object of UUIDs alone, as in the key-value probe.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

Record = Sequence[str]
"""Key and values, in the order of the labels."""
Fields = Sequence[tuple[str, str]]
"""Labels and values in the order of the text."""
SEPARATORS = (", ", ";", "\t", " / ")
FORMS = ("json", "dictionary", "block", "table", "separated", "list", "sentence")
SENTENCES = (
    ("The {label} of {noun} {key} is {value}", ", the {label} {value}", "."),
    ("{Noun} {key} has the {label} {value}", " and the {label} {value}", "."),
    ("{value} is the {label}", " and {value} the {label}", " of {noun} {key}."),
    ("For {noun} {key}, the {label} is {value}", " and the {label} {value}", "."),
    ("{value} was entered as the {label}", ", {value} as the {label}", " of {noun} {key}."),
)
"""Wordings: the first value, each further value, the rest. `{noun}` is the label of the key."""


def _json(variant: int, fields: Fields) -> str:
    typed = {label: int(value) if value.isdecimal() else value for label, value in fields}
    return json.dumps(typed, indent=2 if variant % 3 == 0 else None)


def _block(variant: int, fields: Fields) -> str:
    mark = (": ", " = ", ":\t")[variant % 3]
    return "\n".join(f"{label}{mark}{value}" for label, value in fields)


def _table(variant: int, fields: Fields) -> str:
    return f"| {' | '.join(value for _, value in fields)} |"


def _separated(variant: int, fields: Fields) -> str:
    return SEPARATORS[variant % len(SEPARATORS)].join(value for _, value in fields)


def _list(variant: int, fields: Fields) -> str:
    (label, value), *others = fields
    start = f"- {value}" if variant % 2 else f"* {label} {value}"
    return f"{start}: {', '.join(map(' '.join, others))}"


ITEMS = {"json": _json, "block": _block, "table": _table, "separated": _separated, "list": _list}


@dataclass(frozen=True, slots=True)
class PageStyle:
    """How the pages of a register are written."""

    form: str
    """One of FORMS."""
    variant: int
    """Selects details of the form: separators, order of columns, wording."""
    spelling: int
    """Of labels: `badge number`, `badge_number`, `Badge number` or `BADGE NUMBER`."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw a style; all forms are equally likely."""
        return cls(FORMS[rng.integers(len(FORMS))], int(rng.integers(60)), int(rng.integers(4)))

    def head(self, labels: Sequence[str]) -> str:
        """Return the lines before the first record, with a line break at the end, or nothing."""
        names = [self._spelled(label) for label in self._ordered(labels)]
        if self.form == "table":
            return f"| {' | '.join(names)} |\n|{' --- |' * len(names)}\n"
        if self.form == "separated":
            return f"{SEPARATORS[self.variant % len(SEPARATORS)].join(names)}\n"
        if self.form == "dictionary":
            key, *values = map(self._spelled, labels)
            return f"{' and '.join(values)} by {key} = {{\n" if self.variant % 2 else f"# {key} -> {values}\n{{\n"
        return ""

    @property
    def end(self) -> str:
        """The text after the last record."""
        return "\n}" if self.form == "dictionary" else ""

    def item(self, labels: Sequence[str], record: Record) -> str:
        """Return the text of one record."""
        ordered = list(zip(map(self._spelled, self._ordered(labels)), self._ordered(record), strict=True))
        if self.form == "dictionary":
            return f"  {json.dumps(record[0])}: {json.dumps(list(record[1:]) if len(record) > 2 else record[1])},"
        if self.form == "sentence":
            return self._sentence(labels, record)
        return ITEMS[self.form](self.variant, ordered)

    def page(self, labels: Sequence[str], items: Sequence[str]) -> str:
        """Return the text of a page with these items."""
        between = "\n\n" if self.form == "block" else " " if self.form == "sentence" and self.variant % 2 else "\n"
        return f"{self.head(labels)}{between.join(items)}{self.end}"

    def _ordered(self, columns: Sequence[str]) -> list[str]:
        """Return the columns with the key first or last."""
        key, *values = columns
        return [*values, key] if self.variant % 5 < 2 else [key, *values]

    def _spelled(self, label: str) -> str:
        return (label, label.replace(" ", "_"), label.capitalize(), label.upper())[self.spelling]

    def _sentence(self, labels: Sequence[str], record: Record) -> str:
        (noun, *names), (key, *values) = labels, record
        first, further, rest = SENTENCES[self.variant % len(SENTENCES)]
        facts = zip([first] + [further] * (len(names) - 1), names, values, strict=True)
        parts = [(wording, label, value) for wording, label, value in facts] + [(rest, "", "")]
        return "".join(
            wording.format(label=label, value=value, noun=noun, Noun=noun.capitalize(), key=key)
            for wording, label, value in parts
        )

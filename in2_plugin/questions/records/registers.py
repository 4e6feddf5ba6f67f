"""Invent registers: lists of records about one subject, each on two pages, which become segments.

A record has a key and one or two values under labels: an employee, a badge number, a locker. Register `number` of a
seed is always the same, so the writer of questions invents it again instead of storing it. Invariant: all identifiers
of all registers are different from each other. Cost: about 50 us per record.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from in2_plugin.questions.records.identifiers import MOST_INDICES, IdentifierKind, identifier
from in2_plugin.questions.records.page_text import PageStyle

NAME, NUMBER, CODE, UUID = IdentifierKind

PAGES = 2
"""Pages per register: a question about several records needs one of each."""
PAGE_RECORDS = 128
"""Maximum records per page; with `segment_tokens` above about 1,500 a page is shorter than a segment of the corpus."""
RECORDS = PAGES * PAGE_RECORDS
MOST_REGISTERS = MOST_INDICES // RECORDS
Field = tuple[str, IdentifierKind]
"""Label and kind."""

SUBJECTS: tuple[tuple[Field, ...], ...] = (
    (("employee", NAME), ("badge number", NUMBER), ("locker", CODE)),
    (("parcel", CODE), ("recipient", NAME), ("tracking number", NUMBER)),
    (("patient", NAME), ("file number", NUMBER), ("ward code", CODE)),
    (("invoice", NUMBER), ("customer", NAME), ("order", UUID)),
    (("device", UUID), ("owner", NAME), ("serial number", NUMBER)),
    (("member", NAME), ("card number", NUMBER), ("account", UUID)),
    (("shelf mark", CODE), ("author", NAME), ("inventory number", NUMBER)),
    (("session", UUID), ("user", NAME), ("node", CODE)),
    (("berth", CODE), ("skipper", NAME), ("permit number", NUMBER)),
    (("sample", NUMBER), ("analyst", NAME), ("batch", CODE)),
    (("ticket", NUMBER), ("passenger", NAME), ("seat code", CODE)),
    (("request", UUID), ("reference number", NUMBER), ("handler", NAME)),
    (("vehicle", CODE), ("chassis number", NUMBER), ("keeper", NAME)),
    (("tenant", NAME), ("meter number", NUMBER), ("contract", CODE)),
    (("dataset", UUID), ("curator", NAME), ("release code", CODE)),
    (("witness", NAME), ("statement number", NUMBER), ("exhibit", CODE)),
)
"""The key first. No two fields of a subject have the same kind, so a key never looks like a value."""


@dataclass(frozen=True, slots=True)
class Register:
    """The records of one register; its pages contain as many as fill them."""

    number: int
    seed: int
    fields: tuple[Field, ...]
    """Key first."""
    style: PageStyle

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the key and the values."""
        return tuple(label for label, _ in self.fields)

    def record(self, place: int) -> tuple[str, ...]:
        """Return the key and values of the record at `place`, below RECORDS."""
        index = self.number * RECORDS + place
        return tuple(identifier(kind, index, self.seed) for _, kind in self.fields)

    def records_on(self, text: str) -> list[tuple[str, ...]]:
        """Return the records on a page with this text, in order."""
        found: list[tuple[str, ...]] = []
        for place in range(RECORDS):
            if identifier(self.fields[0][1], self.number * RECORDS + place, self.seed) in text:
                found.append(self.record(place))
            elif found:
                break
        return found


def registers_in(record_segments: int) -> int:
    """Return the number of registers that so many segments of invented records are; each is a document of the store."""
    return record_segments // PAGES


def invent_register(number: int, seed: int) -> Register:
    """Return register `number`, below MOST_REGISTERS, of a seed."""
    rng = np.random.default_rng([seed, *b"register", number])
    key, *values = SUBJECTS[rng.integers(len(SUBJECTS))]
    chosen: Sequence[int] = rng.permutation(len(values))[: 1 + rng.integers(len(values))].tolist()
    return Register(number, seed, (key, *(values[i] for i in chosen)), PageStyle.draw(rng))

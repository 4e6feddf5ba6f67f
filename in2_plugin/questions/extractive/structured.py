"""Forms of the extractive writer about structured text: rows and cells of tables, list items, entries with a key.

Quotations and answers have single spaces where a table pads its columns. Keys, cells and items that are too short to be
rare are not asked about; a row is named by as many of its cells as make it unique.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from in2_plugin.corpus.sentences import sentence_spans
from in2_plugin.questions.extractive.entries import SENTENCE_ENDS, Entry, ListItem, Structures, structures
from in2_plugin.questions.extractive.quoting import (
    QUOTED_UNITS,
    UNIT,
    Draft,
    Excerpt,
    is_rare,
    neighbours,
    one_of,
    some_of,
)
from in2_plugin.questions.extractive.tables import TableRow

MAX_UNITS = 30
"""Units of an answer."""
MAX_LETTERS = 200
"""Characters of an answer; a unit of a table may be a long identifier."""
_TWO_SENTENCES = re.compile(r"[.!?] [A-Z]")
"""Left in a sentence after a single letter, which the sentence splitter takes for an abbreviation."""
_Found = TypeVar("_Found")


def has_structure(excerpt: Excerpt) -> bool:
    """Return True if the excerpt has a table, a list, or entries with a key."""
    return any(map(structures, excerpt.texts))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _quote(text: str) -> str:
    """Put a text between quotation marks, or between backticks if it contains them."""
    return f"`{_flat(text)}`" if '"' in text else f'"{_flat(text)}"'


def _located(excerpt: Excerpt, what: Callable[[Structures], Sequence[_Found]]) -> list[tuple[int, _Found]]:
    """Return all rows, items or entries, each with the index of its segment."""
    return [(segment, one) for segment, text in enumerate(excerpt.texts) for one in what(structures(text))]


def _has_once_flat(excerpt: Excerpt, *texts: str) -> bool:
    """Return False if a text that its table pads occurs more than once, whatever the padding."""
    padded = [flat.casefold() for text in texts if (flat := _flat(text)) != text]
    if not padded:
        return True
    folded = _flat(excerpt.folded)
    return all(folded.count(text) == 1 for text in padded)


def _draft(excerpt: Excerpt, question: str, answer: str, segment: int, *quoted: str) -> Draft | None:
    """Return a question, or None if its answer is long or common, or a quotation contains both sorts of marks."""
    if len(answer) > MAX_LETTERS or len(UNIT.findall(answer)) > MAX_UNITS or not is_rare(answer):
        return None
    if any('"' in text and "`" in text for text in quoted):
        return None
    draft = excerpt.draft(question, answer, segment, *quoted)
    if not draft or not _has_once_flat(excerpt, *quoted, answer):
        return None
    exclusive = dict.fromkeys((*draft.exclusive, *map(_flat, draft.exclusive)))  # another table may pad differently
    return Draft(draft.question, _flat(draft.answer), draft.segments, tuple(exclusive))


def _entries(excerpt: Excerpt, rng: np.random.Generator) -> Iterator[tuple[int, Entry]]:
    """Yield random entries with a rare key, each with the index of its segment."""
    picks = some_of(_located(excerpt, lambda found: found.entries), rng)
    return ((i, entry) for i, entry in picks if is_rare(entry.key) and excerpt.has_once(entry.head))


def value_of_key(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the value of a key, or for its first sentence."""
    for segment, entry in _entries(excerpt, rng):
        question, answer = f"Which value comes after {_quote(entry.head)}?", entry.value
        if entry.value[-1] in SENTENCE_ENDS:
            start, stop = sentence_spans(entry.value)[0]
            question, answer = f"What is the first sentence after {_quote(entry.head)}?", entry.value[start:stop]
        if entry.is_whole and answer[-1] not in ":：" and not _TWO_SENTENCES.search(answer):
            return _draft(excerpt, question, answer, segment, entry.head)
    return None


def key_of_value(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the key before a quoted part of its value."""
    for segment, entry in _entries(excerpt, rng):
        units = [match.span() for match in UNIT.finditer(entry.value)]
        first = int(rng.integers(max(1, len(units) - QUOTED_UNITS + 1)))
        last = min(first + QUOTED_UNITS, len(units)) - 1
        part = entry.value[units[first][0] : units[last][1]]
        if is_rare(part):
            return _draft(excerpt, f"Which entry or key has {_quote(part)} in its text?", entry.key, segment, part)
    return None


def _rows(excerpt: Excerpt, rng: np.random.Generator) -> Iterator[tuple[int, TableRow]]:
    """Yield random rows, each with the index of its segment."""
    return some_of(_located(excerpt, lambda found: found.rows), rng)


def _begin(excerpt: Excerpt, row: TableRow) -> int | None:
    """Return the number of cells, not all, that are a rare and unique beginning of a row."""
    texts = ((n, row.text[: row.cells[n - 1][1]]) for n in range(1, len(row.cells)))
    return next((n for n, text in texts if is_rare(text) and excerpt.has_once(text)), None)


def row_end(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the rest of a row after its first cells."""
    for segment, row in _rows(excerpt, rng):
        if not row.is_object and (n := _begin(excerpt, row)):
            quoted, answer = row.text[: row.cells[n - 1][1]], row.text[row.cells[n][0] :]
            return _draft(
                excerpt, f"How does the row go on that starts with {_quote(quoted)}?", answer, segment, quoted
            )
    return None


def row_start(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the beginning of a row before its last cells."""
    for segment, row in _rows(excerpt, rng):
        ends = ((n, row.text[row.cells[n][0] :]) for n in range(len(row.cells) - 1, 0, -1))
        found = next(((n, text) for n, text in ends if is_rare(text) and excerpt.has_once(text)), None)
        if found and not row.is_object:
            n, quoted = found
            question = f"How does the row start that ends with {_quote(quoted)}?"
            return _draft(excerpt, question, row.text[: row.cells[n - 1][1]], segment, quoted)
    return None


def _rare_cells(excerpt: Excerpt, row: TableRow) -> list[int]:
    texts = enumerate(map(row.cell, range(len(row.cells))))
    return [n for n, text in texts if text and is_rare(text) and excerpt.has_once(text)]


def row_with(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the whole row around a cell that is not its first one."""
    for segment, row in _rows(excerpt, rng):
        if cells := [n for n in _rare_cells(excerpt, row) if n or row.is_object]:
            quoted = row.cell(cells[rng.integers(len(cells))])
            return _draft(excerpt, f"Give the whole row that {_quote(quoted)} is in.", row.text, segment, quoted)
    return None


def _cell_beside(excerpt: Excerpt, rng: np.random.Generator, *, is_after: bool) -> Draft | None:
    """Ask for a rare cell of a named column, after or before another one that is quoted."""
    for segment, row in _rows(excerpt, rng):
        pairs = [(a, b) for a, b in pairwise(_rare_cells(excerpt, row)) if row.columns]
        if not pairs:
            continue
        quoted, asked = pairs[rng.integers(len(pairs))][:: 1 if is_after else -1]
        question = f"What is in the column {_quote(row.columns[asked])} of the row with {_quote(row.cell(quoted))}?"
        return _draft(excerpt, question, row.cell(asked), segment, row.cell(quoted))
    return None


def cell_after(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for a cell by the name of its column, to the right of the quoted cell."""
    return _cell_beside(excerpt, rng, is_after=True)


def cell_before(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for a cell by the name of its column, to the left of the quoted cell."""
    return _cell_beside(excerpt, rng, is_after=False)


def _named(excerpt: Excerpt, row: TableRow) -> tuple[str, str] | None:
    """Return how a question names a row, and the text that it quotes for that."""
    if row.is_object:
        quoted = next((row.cell(n) for n in _rare_cells(excerpt, row)), None)
        return (f"the one with {_quote(quoted)}", quoted) if quoted else None
    n = _begin(excerpt, row)
    quoted = row.text[: row.cells[n - 1][1]] if n else None
    return (f"the one that starts with {_quote(quoted)}", quoted) if quoted else None


def _row_beside(excerpt: Excerpt, rng: np.random.Generator, *, is_after: bool) -> Draft | None:
    """Ask for one of two consecutive rows of a table."""
    rows = _located(excerpt, lambda found: found.rows)
    if not (pair := one_of(neighbours(rows, lambda a, b: a[0] == b[0] and a[1].is_before(b[1])), rng)):
        return None
    (segment, row), (_, answer) = pair if is_after else pair[::-1]
    if not (named := _named(excerpt, row)):
        return None
    question = f"Which row comes right {'after' if is_after else 'before'} {named[0]}?"
    return _draft(excerpt, question, answer.text, segment, named[1])


def next_row(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the row after a row."""
    return _row_beside(excerpt, rng, is_after=True)


def previous_row(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the row before a row."""
    return _row_beside(excerpt, rng, is_after=False)


def _opening(item: ListItem) -> str:
    """Return the first units of an item."""
    ends = [match.end() for match in UNIT.finditer(item.text)]
    return item.text[: ends[min(QUOTED_UNITS, len(ends)) - 1]]


def _item_beside(excerpt: Excerpt, rng: np.random.Generator, *, is_after: bool) -> Draft | None:
    """Ask for one of two consecutive items of a list."""
    items = _located(excerpt, lambda found: found.items)
    if not (pair := one_of(neighbours(items, lambda a, b: a[0] == b[0] and a[1].is_before(b[1])), rng)):
        return None
    (segment, item), (_, answer) = pair if is_after else pair[::-1]
    if not is_rare(quoted := _opening(item)):
        return None
    place = "after" if is_after else "before"
    question = f"Which list item comes right {place} the one that starts with {_quote(quoted)}?"
    return _draft(excerpt, question, answer.text, segment, quoted)


def next_item(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the list item after an item."""
    return _item_beside(excerpt, rng, is_after=True)


def previous_item(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the list item before an item."""
    return _item_beside(excerpt, rng, is_after=False)

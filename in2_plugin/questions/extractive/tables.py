"""Recognise rows of tables in lines of text: Markdown, reStructuredText (grid and simple), CSV, TSV, JSON lines.

A segment begins and ends anywhere, so a table may lack its header or its last rule. Rows that take several lines are
left out. Invariant: the text of a row, and of each cell, is a slice of one line.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, pairwise

from in2_plugin.questions.extractive.quoting import UNIT

MIN_DELIMITED_ROWS = 3
"""Consecutive lines with the same number of commas; two may be prose."""
MAX_DELIMITED = 400
"""Characters of a comma-separated line; longer ones are paragraphs."""
MAX_CELL_UNITS = 8
"""A comma-separated line with a longer cell is prose."""
MAX_SPACED_UNITS = 4
"""The same where spaces follow the commas."""
DELIMITERS = "\t;,"

_MARKDOWN_RULE = re.compile(r"\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?$")
_GRID_RULE = re.compile(r"\+(?:[-=]+\+)+$")
_SIMPLE_RULE = re.compile(r"={2,}(?:\s+={2,})+$")
_BAR = re.compile(r"(?<!\\)\|")
_QUOTED = re.compile(r'"(?:[^"]|"")*"|[\t;,]')
_JSON_SCALAR = re.compile(
    r'"(?P<key>[^"\\]+)"\s*:\s*(?:"(?P<string>[^"\\]*)"|(?P<other>-?\d[\d.eE+-]*|true|false|null))'
)

Ranges = tuple[tuple[int, int], ...]
"""Character ranges [start, stop) of the cells of a row."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table, or an object of JSON lines."""

    number: int
    """Index among the lines of the segment."""
    table: int
    """Index of the table; consecutive rows of a table are neighbours in the list of rows."""
    text: str
    """The line without white space and bars at its ends."""
    cells: Ranges
    columns: tuple[str, ...]
    """Name of each cell; empty when the segment has no header."""
    step: int
    """Lines from one row of the table to the next: two if there is a rule between them."""

    def cell(self, index: int) -> str:
        """Return the text of a cell."""
        start, stop = self.cells[index]
        return self.text[start:stop]

    @property
    def is_object(self) -> bool:
        """True for a JSON object, whose cells are not separated by delimiters alone."""
        return self.text.startswith("{")

    def is_before(self, later: "TableRow") -> bool:
        """Return True if `later` is the next row of the same table."""
        return self.table == later.table and self.number + self.step == later.number


def table_rows(lines: Sequence[str]) -> list[TableRow]:
    """Return the rows of all tables in `lines`, table by table, without headers."""
    beginnings = {line.lstrip()[:1] for line in lines}
    finds: list[Find] = [find for find, first in FINDS if not beginnings.isdisjoint(first)]
    delimiters = [each for each in DELIMITERS if sum(each in line for line in lines) >= MIN_DELIMITED_ROWS]
    finds += [partial(_delimited, delimiter) for delimiter in delimiters]
    left = list(lines)  # what no table has yet, so that no row is in two
    tables: list[_Table] = []
    for find in finds:
        found = list(find(left))
        tables += found
        for row in chain.from_iterable(found):
            left[row[0]] = ""
    return [
        TableRow(number, index, text, cells, columns, 2 if _is_rule(lines, number + 1) else 1)
        for index, table in enumerate(tables)
        for number, text, cells, columns in table
    ]


_Table = list[tuple[int, str, Ranges, tuple[str, ...]]]
Find = Callable[[Sequence[str]], Iterator[_Table]]


def _runs(lines: Sequence[str], belongs: Callable[[str], object]) -> Iterator[list[int]]:
    """Yield the numbers of consecutive lines, none blank, that belong to a table."""
    inside = [bool(line and belongs(line)) for line in map(str.strip, lines)]
    for is_inside, run in groupby(range(len(lines)), key=inside.__getitem__):
        if is_inside:
            yield list(run)


def _with_columns(rows: Iterable[tuple[int, str, Ranges]], header: Sequence[str]) -> _Table:
    return [(*row, tuple(header) if len(header) == len(row[2]) else ()) for row in rows if len(row[2]) > 1]


def _barred(lines: Sequence[str]) -> Iterator[_Table]:
    """Find Markdown tables and grid tables."""
    for run in _runs(lines, lambda line: line[0] in "|+" and line[-1] == line[0]):
        rows: list[tuple[int, str, Ranges]] = []
        header: list[str] = []
        for number in run:
            line = lines[number].strip()
            if _MARKDOWN_RULE.match(line) or (_GRID_RULE.match(line) and "=" in line):
                header = [text[a:b] for _, text, cells in rows[-1:] for a, b in cells]
                rows = []
            elif not _GRID_RULE.match(line):
                rows.append((number, *_split(line)))
        if any(_is_rule(lines, number) for number in run):  # a grid: a row of one line has a rule on both sides
            rows = [row for row in rows if _is_rule(lines, row[0] - 1) and _is_rule(lines, row[0] + 1)]
        if header or len(run) > 1:  # a line alone may be anything
            yield _with_columns(rows, header)


def _is_rule(lines: Sequence[str], number: int) -> bool:
    return 0 <= number < len(lines) and _GRID_RULE.match(lines[number].strip()) is not None


def _split(line: str) -> tuple[str, Ranges]:
    """Return the text between the outer bars, and its cells."""
    text = line.strip("|").strip()
    return text, _between(text, [match.span() for match in _BAR.finditer(text)])


def _between(text: str, delimiters: Sequence[tuple[int, int]]) -> Ranges:
    """Return the ranges between delimiters, without white space at their ends."""
    starts, stops = [0, *(stop for _, stop in delimiters)], [*(start for start, _ in delimiters), len(text)]
    return tuple(_trimmed(text, start, stop) for start, stop in zip(starts, stops, strict=True))


def _trimmed(text: str, start: int, stop: int) -> tuple[int, int]:
    part = text[start:stop]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())


def _simple(lines: Sequence[str]) -> Iterator[_Table]:
    """Find simple tables, whose columns are given by a rule of equals signs."""
    rules = [
        number
        for number, line in enumerate(lines)
        if line.lstrip().startswith("==") and _SIMPLE_RULE.match(line.strip())
    ]
    header: list[str] = []
    for rule, end in pairwise([*rules, len(lines)]):
        starts = [match.start() for match in re.finditer(r"=+", lines[rule])]
        rows = []
        for number in range(rule + 1, end):
            line = lines[number]
            if not line.strip():
                break
            following = lines[number + 1] if number + 1 < len(lines) else ""
            is_continued = bool(following.strip()) and not following[starts[0] : starts[1]].strip()
            if line[starts[0] : starts[1]].strip() and not is_continued and rule:
                indent = len(line) - len(line.lstrip())
                edges = [(start - indent, start - indent) for start in starts[1:]]
                rows.append((number, line.strip(), _between(line.strip(), edges)))
        is_header = end in rules and len(rows) == 1 and not header
        if is_header:
            header = [rows[0][1][a:b] for a, b in rows[0][2]]
        else:
            yield _with_columns(rows, header)
            header = []


def _delimited(delimiter: str, lines: Sequence[str]) -> Iterator[_Table]:
    """Find lines of values that are separated by a delimiter."""
    texts = [line.strip() for line in lines]
    found = [_delimiters(text, delimiter) for text in texts]
    for n, run in groupby(range(len(texts)), key=lambda number: len(found[number])):
        same = list(run)
        if n < 2 or len(same) < MIN_DELIMITED_ROWS:
            continue
        rows = [(number, texts[number], _between(texts[number], found[number])) for number in same]
        if all(map(_is_data, rows)) and (delimiter == "\t" or not _is_wrapped(rows)):
            header = _header(rows)
            yield _with_columns(rows[bool(header) :], header)


def _delimiters(line: str, delimiter: str) -> list[tuple[int, int]]:
    """Return the ranges of the delimiters that are not between quotation marks; none in a paragraph or JSON."""
    if delimiter not in line or len(line) > MAX_DELIMITED or line.startswith(("{", "[")):
        return []
    return [match.span() for match in _QUOTED.finditer(line) if match[0] == delimiter]


def _is_data(row: tuple[int, str, Ranges]) -> bool:
    _, text, cells = row
    found = [text[start:stop] for start, stop in cells]
    is_open = any(cell.count("(") != cell.count(")") or cell.count("[") != cell.count("]") for cell in found)
    is_open = is_open or any(cell.count('"') % 2 for cell in found)  # a delimiter between quotation marks
    return text[-1] not in ".。,({" and not is_open and all(len(UNIT.findall(cell)) <= MAX_CELL_UNITS for cell in found)


def _is_wrapped(rows: Sequence[tuple[int, str, Ranges]]) -> bool:
    """Return True if commas or semicolons may be those of wrapped prose: with spaces, long cells, or no numbers."""
    if not any(start - stop > 1 for _, _, cells in rows for (_, stop), (start, _) in pairwise(cells)):
        return False
    is_long = any(len(UNIT.findall(text[a:b])) > MAX_SPACED_UNITS for _, text, cells in rows for a, b in cells)
    columns = zip(*([text[a:b] for a, b in cells] for _, text, cells in rows), strict=True)
    return is_long or not any(all(any(map(str.isdigit, cell)) for cell in column[1:]) for column in columns)


def _header(rows: Sequence[tuple[int, str, Ranges]]) -> list[str]:
    """Return the cells of the first row if it has no digit where all other rows have one."""
    columns = list(zip(*([text[a:b] for a, b in cells] for _, text, cells in rows), strict=True))
    has_digit = [[any(map(str.isdigit, cell)) for cell in column] for column in columns]
    is_header = any(not first and all(rest) for first, *rest in has_digit) and not any(first for first, *_ in has_digit)
    return [column[0] for column in columns] if is_header else []


def _json_lines(lines: Sequence[str]) -> Iterator[_Table]:
    """Find lines that are JSON objects; their cells are the strings without escapes, and the numbers."""
    for run in _runs(lines, lambda line: line[0] == "{" and line[-1] == "}" and _is_object(line)):
        yield [row for number in run if len((row := _object(number, lines[number].strip()))[2]) > 1]


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _object(number: int, line: str) -> tuple[int, str, Ranges, tuple[str, ...]]:
    scalars = list(_JSON_SCALAR.finditer(line))
    cells = tuple(found.span("string" if found["string"] is not None else "other") for found in scalars)
    return number, line, cells, tuple(found["key"] for found in scalars)


FINDS = ((_barred, "|+"), (_simple, "="), (_json_lines, "{"))
"""Recognizers of tables, with the first characters of their lines."""

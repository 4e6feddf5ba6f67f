"""Recognise structured text in segments: rows of tables, list items, and entries with a key.

Entries are `key: value` of YAML, JSON, definition lists and field lists. Invariant: items, keys and values are slices
of a line of their segment, and lines of code are left out. Cost: about 20 µs per line.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from in2_plugin.questions.extractive.code_lines import code_numbers
from in2_plugin.questions.extractive.quoting import UNIT
from in2_plugin.questions.extractive.tables import TableRow, table_rows

MAX_KEY_LETTERS, MAX_KEY_UNITS = 80, 6
SENTENCE_ENDS = ".!?。！？"
SHORT_UNITS = 8
"""A line of so few units is not wrapped."""
MIN_KEYS = 2
"""Lines with a colon in a segment, unless the key is a name; a single one may be prose."""

_ITEM = re.compile(
    r"(?:[-*+•·●]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+(?=\S)|(?:\d{1,3}、|[（(]?[一二三四五六七八九十]{1,3}[）)、])\s*(?=\S)"
)
_JSON_ENTRY = re.compile(r'(?P<head>"(?P<key>[^"]+)"\s*:)\s*(?P<value>[^\s{\[].*?),?$')
_FIELD = re.compile(r"(?P<head>:(?P<key>[^:`]+):)\s+(?P<value>\S.*)$")
_ENTRY = re.compile(
    r"(?P<head>[*`]{0,3}(?P<key>[^\s|<>#\"*`:：][^：\n]{0,90}?)[*`]{0,3}(?:：|:(?=[*]{0,2}\s))[*]{0,2})\s*(?P<value>\S.*)$"
)
_LABEL = re.compile(
    r"(?i)(?:changed|new|deprecated|added|note|warning|example|see also|parameters|returns?|raises|source|availability)"
    r"\b"
)
"""Begins keys that many entries share."""
_SENTENCE = re.compile(r"[.!?] |[，。！？`]|\*\*")
"""Is in no key."""
_COMMENT = re.compile(r"\s+#\s")
_NAME = re.compile(r"\S*(?:[a-z0-9][A-Z_]|\w[._]\w)\S*$|[A-Z_\d]{3,}$|.*\w\(.*\)$")


@dataclass(frozen=True, slots=True)
class ListItem:
    """A list item of one line, without its marker."""

    number: int
    """Index among the lines of the segment."""
    indent: int
    text: str

    def is_before(self, later: "ListItem") -> bool:
        """Return True if `later` is the next item of the same list."""
        return self.number + 1 == later.number and (self.indent == later.indent or not self.number)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its value on the same line."""

    head: str
    """The key as it is in the text, with its marks and its colon."""
    key: str
    value: str
    is_whole: bool
    """False if the value seems to go on below, or in the next segment."""


@dataclass(frozen=True, slots=True)
class Structures:
    """The structured text of a segment, in reading order."""

    rows: tuple[TableRow, ...]
    items: tuple[ListItem, ...]
    entries: tuple[Entry, ...]

    def __bool__(self) -> bool:
        return bool(self.rows or self.items or self.entries)


@lru_cache(maxsize=512)
def structures(text: str) -> Structures:
    """Return the rows, items and entries of a segment."""
    lines = text.split("\n")
    for number in code_numbers(text):
        lines[number] = ""
    rows = table_rows(lines)
    for row in rows:
        lines[row.number] = ""
    return Structures(tuple(rows), tuple(_items(lines)), tuple(_entries(lines)))


def _items(lines: Sequence[str]) -> Iterator[ListItem]:
    for number, line in enumerate(lines):
        text = line.strip()
        if (marker := _ITEM.match(text)) and not _goes_on(lines, number):
            yield ListItem(number, len(line) - len(line.lstrip()), text[marker.end() :])


def _goes_on(lines: Sequence[str], number: int) -> bool:
    """Return True if a line of a list seems to continue on the next one, or in the next segment."""
    if number + 1 == len(lines):
        is_short = len(UNIT.findall(lines[number])) <= SHORT_UNITS
        return not is_short and lines[number].rstrip()[-1] not in SENTENCE_ENDS
    following = lines[number + 1].strip()
    return bool(following) and not _ITEM.match(following) and not _ENTRY.match(following)


def _entries(lines: Sequence[str]) -> Iterator[Entry]:
    found = [entry for number in range(len(lines)) if (entry := _entry(lines, number))]
    is_list = len(found) >= MIN_KEYS
    yield from (entry for entry in found if is_list or _NAME.match(entry.key))


def _entry(lines: Sequence[str], number: int) -> Entry | None:
    line = lines[number].strip()
    if ":" not in line and "：" not in line:
        return None
    text = line[marker.end() :] if (marker := _ITEM.match(line)) else line
    found = _JSON_ENTRY.match(text) or _FIELD.match(text) or _ENTRY.match(text)
    if not found or not _is_key(found["key"]):
        return None
    value = _COMMENT.split(found["value"])[0].strip().strip("\"'")
    is_whole = value[-1:] in SENTENCE_ENDS or not _goes_on(lines, number)
    return Entry(found["head"], found["key"].strip(), value, is_whole) if value else None


def _is_key(key: str) -> bool:
    is_short = len(key) <= MAX_KEY_LETTERS and (len(UNIT.findall(key)) <= MAX_KEY_UNITS or key.endswith(")"))
    is_whole = all(key.count(a) == key.count(b) for a, b in ("()", "[]", "{}"))  # not `if (x:` of code
    return is_short and is_whole and not _LABEL.match(key) and any(map(str.isalpha, key)) and not _SENTENCE.search(key)

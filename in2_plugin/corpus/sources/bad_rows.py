"""Decide what a text is in a row of any source, and count the rows that have none.

One rule for documents, instructions and evaluation sets: a field holds text, or it is empty, or the row is skipped and
counted with its place and the reason. Invariant: no value of a field raises anything but BadRow, and a source with
more bad rows than its `max_bad_rows` ends in one CorpusError. The share is that of the whole source, so it is known
only at the end; a wrong field name is found earlier, because then all rows are bad from the start.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from in2_plugin.errors import CorpusError

TOLERATED = 10
"""Bad rows of a source that are accepted whatever their share, unless `max_bad_rows` is 0."""
ALL_BAD = 1_000
"""Rows at the start of a source that end the reading if all of them are bad."""


class BadRow(ValueError):
    """A row with a field that is missing, or that holds something else than text; the message is the reason."""


def checked_text(value: object, field: str) -> str:
    """Return a value as text, with newlines as `\\n` and without byte order mark; empty for null.

    Raises:
        BadRow: it is not text, or contains half of a surrogate pair.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRow(f"`{field}` holds {type(value).__name__}, not text")
    text = value.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        text.encode()
    except UnicodeEncodeError as failure:
        raise BadRow(
            f"character {failure.start + 1} of `{field}` is half of a surrogate pair (a broken \\u escape)"
        ) from None
    return text


def field_text(fields: Mapping[str, Any], field: str, setting: str) -> str:
    """Return the text of a field; `setting` is the key of the build file that names the field.

    Raises:
        BadRow: there is no such field, or it does not hold text.
    """
    if field not in fields:
        raise BadRow(f"has no field `{field}` (set `{setting}` to one of {', '.join(map(str, fields))})")
    return checked_text(fields[field], field)


class BadRows:
    """Counts the rows of one source."""

    def __init__(self, source: str, share: float) -> None:
        """`source`: its path; `share`: its `max_bad_rows`."""
        self._source, self._share = source, share
        self.rows = 0
        """Rows read, blank lines excluded."""
        self.empty = 0
        """Rows without text."""
        self.count = 0
        """Bad rows."""
        self._first: Callable[[], str] = str

    def add(self, place: Callable[[], str], reason: str, count: int = 1) -> None:
        """Count bad rows, the first of which is at `place`, which is called only if an error or a line shows it."""
        if not self.count:
            self._first = lambda: f"{place()}: {reason}"
        self.count += count

    def skip(self, place: Callable[[], str], reason: str) -> None:
        """Count a bad row of a source that is read from its start, see `add`.

        Raises:
            CorpusError: there is no need to read on, because no bad row is accepted or the first ALL_BAD rows are bad.
        """
        self.add(place, reason)
        if not self._share or self.count == self.rows == ALL_BAD:
            self.require()

    def require(self) -> None:
        """Check the share of bad rows, at the end of the source.

        Raises:
            CorpusError: they are too many.
        """
        if self.count > max(self._share * self.rows, TOLERATED if self._share else 0):
            raise CorpusError(
                f"{self._first()}; {self.count:,} of {self.rows:,} rows read from {self._source} cannot be used; "
                "fix them, or raise `max_bad_rows` of this source"
            )

    def line(self) -> str:
        """Return one sentence about the skipped rows; empty if there are none."""
        empty, bad = (f"{n:,} row{'s' * (n != 1)}" for n in (self.empty, self.count))
        skipped = [f"{empty} without text"] * bool(self.empty) + [f"{bad} that cannot be used"] * bool(self.count)
        first = f"; the first is {self._first()}" if self.count else ""
        return f"{self._source}: skipped {' and '.join(skipped)}{first}" if skipped else ""


def lines_of(counts: Iterable[BadRows]) -> list[str]:
    """Return one sentence for each source with skipped rows."""
    return [line for line in (bad.line() for bad in counts) if line]

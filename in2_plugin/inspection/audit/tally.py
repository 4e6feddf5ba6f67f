"""Collect the inputs of all figures in one pass over examples.parquet: a few numbers per gold and per turn.

Invariant: the contribution of a row depends only on the row and the store. A row group with unknown segments counts as
a fault and contributes nothing else. Cost: 45 ms per thousand examples of 18K tokens; memory for the sampled rows and
about 150 bytes per question.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from in2_plugin.config import LONG_PARTS, PARTS, BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.examples.planner import GENERAL
from in2_plugin.inspection.audit.columns import NO_DOCUMENT, Columns, Ints, read_columns
from in2_plugin.inspection.audit.places import quantile_ranges
from in2_plugin.inspection.audit.statistics import Floats, fixed_points
from in2_plugin.inspection.figures import Faults
from in2_plugin.inspection.text_digest import text_digest
from in2_plugin.questions import Kind

LONG = tuple(PARTS.index(part) for part in LONG_PARTS)
MAX_GOLDS_PER_ROW = 1 << 16
"""Numbers reserved per row for the points inside its golds."""

FAULTS = (
    "unknown part", "unknown segment", "no turn", "outside lengths", "counts", "segment twice", "own document",
    "left out", "gold elsewhere", "gold misplaced", "empty answer", "question twice",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Golds:
    """Positions of golds: one entry per gold of a long example."""

    depth: Floats
    """A point inside its place, as a share of the segments of its context."""
    low: Floats
    """Start of its range of quantiles, see `places.py`."""
    high: Floats
    point: Floats
    """A point in [low, high)."""
    number: Ints
    """Number of golds that were placed in its context before."""
    n_segments: Ints
    """Segments of its context."""
    n_tokens: Ints
    """Tokens of its example."""
    kind: Ints
    """Index of its part in PARTS."""


@dataclass(slots=True)
class Tally:
    """Numbers collected from the rows of examples.parquet."""

    examples: int = 0
    parts: Counter[str] = field(default_factory=Counter)
    """Questions and conversations per part."""
    forms: Counter[str] = field(default_factory=Counter)
    """Questions per form."""
    answer_tokens: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    golds: list[Golds] = field(default_factory=list)
    distances: list[Floats] = field(default_factory=list)
    """(n,) distance between the quantiles of the two golds of a question."""
    segments: list[Ints] = field(default_factory=list)
    """(n_long,) segments of long contexts."""
    lengths: list[Ints] = field(default_factory=list)
    """(n_long,) tokens of long examples."""
    bare: list[Ints] = field(default_factory=list)
    """(n_long,) tokens of long examples without their fillers."""
    faults: dict[str, Faults] = field(default_factory=lambda: {name: Faults() for name in FAULTS})
    used: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    """(n_segments,) True if an example contains the segment."""
    sample: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Evenly spaced rows with their numbers."""


def tally(path: Path, config: BuildConfig, store: SegmentStore) -> Tally:
    """Collect the numbers of an examples.parquet.

    Raises:
        DatasetError: columns are missing or unknown, or contain nulls.
    """
    counter = _Counter(config, store)
    n = pq.read_metadata(path).num_rows
    sampled = np.unique(np.arange(min(n, config.audit.sample)) * n // max(1, min(n, config.audit.sample)))
    for columns in read_columns(path):
        counter.add(columns)
        inside = sampled[(sampled >= columns.first) & (sampled < columns.first + len(columns))]
        counter.tally.sample += [(i, columns.row(i)) for i in inside.tolist() if i not in counter.unreadable]
    return counter.tally


class _Counter:
    """Adds row groups to a tally."""

    def __init__(self, config: BuildConfig, store: SegmentStore) -> None:
        self._lengths, self._positions, self._store = config.lengths, config.positions, store
        self._n_tokens = store.n_tokens.astype(np.int64)
        self._document = store.document.astype(np.int64)
        self._asked: set[int] = set()
        self.unreadable: set[int] = set()
        """Numbers of rows that cannot be rendered: they have no turn, or segments that do not exist."""
        self.tally = Tally(used=np.zeros(len(store), np.bool_))

    def add(self, columns: Columns) -> None:
        self.tally.examples += len(columns)
        self._count_turns(columns)
        self._check_bounds(columns)
        unknown = columns.segment >= len(self._store)
        self._fault("unknown segment", columns, columns.segment_row[unknown])
        if unknown.any():
            self.unreadable |= {columns.first + row for row in columns.segment_row[unknown].tolist()}
            return  # the segments of this row group cannot be looked up
        self.tally.used[columns.segment] = True
        self._check_context(columns)

    def _fault(self, name: str, columns: Columns, rows: npt.ArrayLike) -> None:
        """Count every row of `rows` once."""
        faulty = np.unique(np.asarray(rows, np.int64))
        if len(faulty):
            self.tally.faults[name].add(columns.first + int(faulty[0]), times=len(faulty))

    def _count_turns(self, columns: Columns) -> None:
        parts = columns.part[columns.turn_row]
        asks = parts != PARTS.index(GENERAL)
        units = np.concatenate([parts[asks], columns.part[columns.part == PARTS.index(GENERAL)]])
        self.tally.parts.update({part: int((units == place).sum()) for place, part in enumerate(PARTS)})
        self.tally.answer_tokens.append(columns.turn_answer_tokens.astype(np.uint32))
        for row, kind, form, question, answer in zip(
            columns.turn_row.tolist(), columns.kind, columns.form, columns.question, columns.answer, strict=True
        ):
            if not answer.strip():
                self.tally.faults["empty answer"].add(columns.first + row, repr(question[:60]))
            if kind in _KINDS:
                self.tally.forms[form] += 1
                key = text_digest(kind, question)
                if key in self._asked:
                    self.tally.faults["question twice"].add(columns.first + row, repr(question[:60]))
                self._asked.add(key)

    def _check_bounds(self, columns: Columns) -> None:
        lengths, rows = self._lengths, np.arange(len(columns))
        shortest = np.where(np.isin(columns.part, LONG), lengths.min, 1)
        outside = (columns.n_tokens < shortest) | (columns.n_tokens > lengths.max)
        answers = np.bincount(columns.turn_row, columns.turn_answer_tokens, len(columns)).astype(np.int64)
        self._fault("unknown part", columns, rows[columns.part < 0])
        without_turn = np.setdiff1d(rows, columns.turn_row)
        self._fault("no turn", columns, without_turn)
        self.unreadable |= {columns.first + row for row in without_turn.tolist()}
        self._fault("outside lengths", columns, rows[outside])
        self._fault("counts", columns, rows[(answers != columns.n_answer_tokens) | (answers >= columns.n_tokens)])

    def _check_context(self, columns: Columns) -> None:
        store = self._store
        keys = _pairs(columns.segment_row, columns.segment)
        own = _pairs(columns.turn_row[columns.own_turn], columns.own)
        fillers = ~np.isin(keys, own)
        asked = _pairs(columns.turn_row, columns.document)[columns.document != NO_DOCUMENT]
        theirs = _pairs(columns.segment_row, self._document[columns.segment])
        ordered = np.sort(keys)
        self._fault("segment twice", columns, ordered[1:][ordered[1:] == ordered[:-1]] >> _SHIFT)
        self._fault("own document", columns, columns.segment_row[fillers & np.isin(theirs, asked)])
        self._fault("left out", columns, columns.segment_row[~store.usable[columns.segment]])
        n_rows, tokens = len(columns), self._n_tokens[columns.segment]
        filler_tokens = np.bincount(columns.segment_row[fillers], tokens[fillers], n_rows).astype(np.int64)
        long = np.isin(columns.part, LONG)
        self.tally.lengths.append(columns.n_tokens[long])
        self.tally.segments.append(np.bincount(columns.segment_row, minlength=n_rows)[long])
        self.tally.bare.append((columns.n_tokens - filler_tokens)[long])
        self._find_golds(columns, keys)

    def _find_golds(self, columns: Columns, keys: Ints) -> None:
        """Add the places of all golds."""
        placed = np.lexsort((columns.gold, columns.gold_turn))  # the order in which the planner places them
        turn, gold = columns.gold_turn[placed], columns.gold[placed]
        row = columns.turn_row[turn]
        order = np.argsort(keys, kind="stable")
        wanted = _pairs(row, gold)
        at = np.searchsorted(keys[order], wanted)
        found = at < len(keys)
        found[found] = keys[order][at[found]] == wanted[found]
        self._fault("gold elsewhere", columns, row[~found])
        found &= np.isin(columns.part[row], LONG)
        row, turn = row[found], turn[found]
        n_segments = np.bincount(columns.segment_row, minlength=len(columns))[row]
        place = order[at[found]] - np.searchsorted(columns.segment_row, row)
        ranges = quantile_ranges(row, place, n_segments, self._positions)
        self._fault("gold misplaced", columns, row[ranges.misplaced])
        numbers = (columns.first + row) * MAX_GOLDS_PER_ROW + np.arange(len(row)) - np.searchsorted(row, row)
        points = fixed_points(numbers.astype(np.uint64))
        point = ranges.low + points * (ranges.high - ranges.low)
        depth, n_tokens = (place + points) / n_segments, columns.n_tokens[row]
        self.tally.golds.append(
            Golds(depth, ranges.low, ranges.high, point, ranges.number, n_segments, n_tokens, columns.part[row])
        )
        _, first, counts = np.unique(turn, return_index=True, return_counts=True)
        pairs = first[counts == 2]
        self.tally.distances.append(np.abs(point[pairs] - point[pairs + 1]))


_KINDS = frozenset(Kind)
_SHIFT = 32


def _pairs(row: Ints, number: Ints) -> Ints:
    """Combine a row and a number below 2^32 into one key."""
    return (row << _SHIFT) | number

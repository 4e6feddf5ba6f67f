"""One pass over examples.parquet: everything that the figures are made of, as a few numbers a gold and a turn.

Invariant: what a row does to the tally depends on the row and the store alone. A row with unknown segments is a fault
and counts no further. Cost: 45 ms a thousand examples of 18K tokens; the sampled rows, and some 150 bytes a question.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from in2_plugin.config import PARTS, BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.examples.planner import GENERAL
from in2_plugin.inspection.audit.columns import NO_DOCUMENT, Columns, Ints, read_columns
from in2_plugin.inspection.audit.statistics import Floats, fixed_points
from in2_plugin.inspection.doctor.questions import digest
from in2_plugin.inspection.figures import Faults
from in2_plugin.questions import Kind, Part

LONG = tuple(PARTS.index(part) for part in (Part.FINE_GRAINED, Part.INTEGRATION))
GOLDS_A_ROW = 1 << 16
"""Numbers kept apart for the points in the golds of one row."""

FAULTS = (
    "unknown part", "unknown segment", "no turn", "outside lengths", "counts", "segment twice", "own document",
    "left out", "gold elsewhere", "empty answer", "question twice",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Golds:
    """Where golds stand: one entry a gold of a long example."""

    depth: Floats
    """A point of the gold, as a share of the context."""
    share: Floats
    """Tokens of the gold over tokens of its context."""
    grain: Floats
    """One over the number of segments of its context."""
    n_tokens: Ints
    """Tokens of its example."""
    kind: Ints
    """Place of its part in PARTS."""


@dataclass(slots=True)
class Tally:
    """What the rows of one examples.parquet came to."""

    examples: int = 0
    parts: Counter[str] = field(default_factory=Counter)
    """Questions and conversations of each part."""
    answer_tokens: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    golds: list[Golds] = field(default_factory=list)
    distances: list[Floats] = field(default_factory=list)
    """(n,) between the two golds of a question, as a share of the context."""
    distance_grains: list[Floats] = field(default_factory=list)
    lengths: list[Ints] = field(default_factory=list)
    """(n_long,) tokens of long examples."""
    bare: list[Ints] = field(default_factory=list)
    """(n_long,) the same without their fillers."""
    faults: dict[str, Faults] = field(default_factory=lambda: {name: Faults() for name in FAULTS})
    used: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    """(n_segments,) whether an example holds a segment."""
    sample: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Evenly spread rows with their numbers."""


def tally(path: Path, config: BuildConfig, store: SegmentStore) -> Tally:
    """Read an examples.parquet.

    Raises:
        DatasetError: it has other columns than it must have, or empty places in them.
    """
    counting = _Counting(config, store)
    n = pq.read_metadata(path).num_rows
    sampled = np.unique(np.arange(min(n, config.audit.sample)) * n // max(1, min(n, config.audit.sample)))
    for columns in read_columns(path):
        counting.add(columns)
        inside = sampled[(sampled >= columns.first) & (sampled < columns.first + len(columns))]
        counting.tally.sample += [(i, columns.row(i)) for i in inside.tolist() if i not in counting.unreadable]
    return counting.tally


class _Counting:
    """Adds row groups to a tally."""

    def __init__(self, config: BuildConfig, store: SegmentStore) -> None:
        self._config, self._store = config, store
        self._n_tokens = store.n_tokens.astype(np.int64)
        self._document = store.document.astype(np.int64)
        self._asked: set[int] = set()
        self.unreadable: set[int] = set()
        """Numbers of rows without a turn or with segments that do not exist: they cannot be rendered."""
        self.tally = Tally(used=np.zeros(len(store), np.bool_))

    def add(self, columns: Columns) -> None:
        self.tally.examples += len(columns)
        self._count_turns(columns)
        self._hold_rows_against_bounds(columns)
        unknown = columns.segment >= len(self._store)
        self._fault("unknown segment", columns, columns.segment_row[unknown])
        if unknown.any():
            self.unreadable |= {columns.first + row for row in columns.segment_row[unknown].tolist()}
            return  # nothing of such a row group can be trusted
        self.tally.used[columns.segment] = True
        self._look_at_context(columns)

    def _fault(self, name: str, columns: Columns, rows: npt.ArrayLike) -> None:
        """Note every row of `rows` once."""
        faulty = np.unique(np.asarray(rows, np.int64))
        if len(faulty):
            self.tally.faults[name].add(columns.first + int(faulty[0]), times=len(faulty))

    def _count_turns(self, columns: Columns) -> None:
        parts = columns.part[columns.turn_row]
        asks = parts != PARTS.index(GENERAL)
        units = np.concatenate([parts[asks], columns.part[columns.part == PARTS.index(GENERAL)]])
        self.tally.parts.update({part: int((units == place).sum()) for place, part in enumerate(PARTS)})
        self.tally.answer_tokens.append(columns.turn_answer_tokens.astype(np.uint32))
        for row, kind, question, answer in zip(
            columns.turn_row.tolist(), columns.kind, columns.question, columns.answer, strict=True
        ):
            if not answer.strip():
                self.tally.faults["empty answer"].add(columns.first + row, repr(question[:60]))
            if kind in _KINDS:
                key = digest(kind, question)
                if key in self._asked:
                    self.tally.faults["question twice"].add(columns.first + row, repr(question[:60]))
                self._asked.add(key)

    def _hold_rows_against_bounds(self, columns: Columns) -> None:
        lengths, rows = self._config.lengths, np.arange(len(columns))
        shortest = np.where(np.isin(columns.part, LONG), lengths.min, 1)
        outside = (columns.n_tokens < shortest) | (columns.n_tokens > lengths.max)
        answers = np.bincount(columns.turn_row, columns.turn_answer_tokens, len(columns)).astype(np.int64)
        self._fault("unknown part", columns, rows[columns.part < 0])
        mute = np.setdiff1d(rows, columns.turn_row)
        self._fault("no turn", columns, mute)
        self.unreadable |= {columns.first + row for row in mute.tolist()}
        self._fault("outside lengths", columns, rows[outside])
        self._fault("counts", columns, rows[(answers != columns.n_answer_tokens) | (answers >= columns.n_tokens)])

    def _look_at_context(self, columns: Columns) -> None:
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
        self.tally.bare.append((columns.n_tokens - filler_tokens)[long])
        self._find_golds(columns, keys, tokens)

    def _find_golds(self, columns: Columns, keys: Ints, tokens: Ints) -> None:
        """Depths of all golds. A gold's point is uniform in it, so that depths are uniform when places are."""
        row = columns.turn_row[columns.gold_turn]
        order = np.argsort(keys, kind="stable")
        wanted = _pairs(row, columns.gold)
        at = np.searchsorted(keys[order], wanted)
        found = at < len(keys)
        found[found] = keys[order][at[found]] == wanted[found]
        self._fault("gold elsewhere", columns, row[~found])
        row, turn, place = row[found], columns.gold_turn[found], order[at[found]]
        whole = np.bincount(columns.segment_row, tokens, len(columns))
        counts = np.bincount(columns.segment_row, minlength=len(columns))
        starts = np.cumsum(tokens) - tokens
        begins = starts[np.searchsorted(columns.segment_row, row)]
        numbers = (columns.first + row) * GOLDS_A_ROW + np.arange(len(row)) - np.searchsorted(row, row)
        points = fixed_points(numbers.astype(np.uint64))
        depth = (starts[place] - begins + points * tokens[place]) / whole[row]
        long = np.isin(columns.part[row], LONG)
        golds = Golds(depth, tokens[place] / whole[row], 1 / counts[row], columns.n_tokens[row], columns.part[row])
        self.tally.golds.append(Golds(*(getattr(golds, name)[long] for name in Golds.__slots__)))
        self._measure_pairs(turn[long], depth[long], golds.grain[long])

    def _measure_pairs(self, turn: Ints, depth: Floats, grain: Floats) -> None:
        """Distances of the golds of questions with two."""
        _, first, counts = np.unique(turn, return_index=True, return_counts=True)
        pairs = first[counts == 2]
        self.tally.distances.append(np.abs(depth[pairs] - depth[pairs + 1]))
        self.tally.distance_grains.append(grain[pairs])


_KINDS = frozenset(Kind)
_SHIFT = 32


def _pairs(row: Ints, number: Ints) -> Ints:
    """A row and a number below 2^32 as one key."""
    return (row << _SHIFT) | number

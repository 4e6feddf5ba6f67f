"""Compute figures of leaks: in sampled examples, only a question's own segments may answer it.

The audit searches fillers, and the segments of other questions in the same context, for the texts that a question
quotes (`exclusive`), for its answer if the build file forbids it, and for near-duplicates of its gold. Invariant:
questions are matched by their text, not by their order. Cost: 2 to 10 ms per example of 18K tokens, depending on how
often segments recur.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from in2_plugin.config import LONG_PARTS, BuildConfig
from in2_plugin.corpus.screening.near_duplicates import shingle_set
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.inspection.figures import Faults, Figure
from in2_plugin.inspection.report import REBUILD_EXAMPLES
from in2_plugin.questions.leaks import Forbidden

Row = Mapping[str, Any]
Key = tuple[str, str, str]
KEY = ("kind", "question", "answer")
CACHED_TEXTS = 65_536
"""Segments whose texts are kept in memory."""
UNKNOWN, LEAK, REPEAT = (
    "sampled turns that are not in questions.parquet",
    "sampled questions answered outside their segments",
    "sampled questions beside a near-duplicate of their gold",
)


def leak_figures(
    sample: Sequence[tuple[int, Row]], questions: Path, store: SegmentStore, config: BuildConfig
) -> Iterator[Figure]:
    """Yield figures of leaks in sampled rows, given with their numbers."""
    long = [(number, row) for number, row in sample if row["part"] in LONG_PARTS]
    asked = [(number, row) for number, row in sample if row["segment_ids"]]
    exclusive = _exclusive(questions, {_key(turn) for _, row in asked for turn in row["turns"]})
    unknown, leaks, repeats = Faults(), Faults(), Faults()
    for number, row in asked:
        for turn in row["turns"]:
            if _key(turn) not in exclusive:
                unknown.add(number, repr(turn["question"][:60]))
    search = _LeakSearch(store, exclusive, config.distractors.answer, config.corpus.near_duplicates.threshold)
    for number, row in long:
        for what in search.leaks(row):
            leaks.add(number, what)
        for what in search.repeats(row):
            repeats.add(number, what)
    n = sum(len(row["turns"]) for _, row in long)
    yield unknown.figure(UNKNOWN, f"{len(asked):,} examples", REBUILD_EXAMPLES)
    yield leaks.figure(LEAK, f"{n:,} questions", REBUILD_EXAMPLES)
    if search.threshold is not None:
        yield _repeat_figure(repeats, n, config.audit.duplicate_rate, search.threshold)


def _repeat_figure(repeats: Faults, n: int, bound: float, threshold: float) -> Figure:
    """Return a rate: screening finds only 97% of the near-duplicates at its threshold."""
    detail = f"{repeats.count:,} of {n:,} questions, Jaccard similarity {threshold:g} or more"
    if repeats.count:
        detail += f"; the first in examples.parquet, row {repeats.first}: {repeats.what}"
    return Figure.at_most(REPEAT, repeats.count / max(n, 1), bound, detail, REBUILD_EXAMPLES)


def _key(turn: Row) -> Key:
    kind, question, answer = (turn[name] for name in KEY)
    return kind, question, answer


def _exclusive(path: Path, wanted: set[Key]) -> dict[Key, list[str]]:
    """Return the texts that the wanted questions quote, reading one row group at a time."""
    found: dict[Key, list[str]] = {}
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group, columns=[*KEY, "exclusive"]).to_pylist():
                key = _key(row)
                if key in wanted:
                    # a long and a short context may ask the same question
                    found.setdefault(key, []).extend(row["exclusive"] or [])
    return found


class _LeakSearch:
    """Searches the segments of examples."""

    def __init__(
        self, store: SegmentStore, exclusive: Mapping[Key, Sequence[str]], answers: bool, threshold: float | None
    ) -> None:
        """Search for `exclusive` texts, for answers too if `answers`, and for near-duplicates from `threshold` on."""
        self.threshold = threshold
        self._store, self._exclusive, self._answers = store, exclusive, answers
        self._folded = lru_cache(CACHED_TEXTS)(lambda segment: store.text(segment).casefold())
        self._shingles = lru_cache(CACHED_TEXTS)(lambda segment: shingle_set(store.text(segment)))

    def leaks(self, row: Row) -> Iterator[str]:
        """Yield at most one fault per turn: the first segment with a text that only the turn's own may contain."""
        for turn in row["turns"]:
            quoted = self._exclusive.get(_key(turn), ())
            forbidden = Forbidden(quoted, [turn["answer"]] if self._answers else [])
            for segment in _others(row, turn):
                if (held := forbidden.found_in(self._folded(segment))) is not None:
                    yield f"segment {segment} contains {held[:80]!r}, which answers {turn['question'][:80]!r}"
                    break

    def repeats(self, row: Row) -> Iterator[str]:
        """Yield at most one fault per turn: the first near-duplicate of one of its golds."""
        if self.threshold is None:
            return
        for turn in row["turns"]:
            golds = [(span["segment_id"], self._shingles(span["segment_id"])) for span in turn["gold"]]
            for segment in _others(row, turn):
                its = self._shingles(segment)
                like = [gold for gold, own in golds if len(own & its) >= self.threshold * len(own | its)]
                if like:
                    yield f"segment {segment} repeats gold segment {like[0]}"
                    break


def _others(row: Row, turn: Row) -> list[int]:
    """Return the segments of a context that do not belong to a turn."""
    own = set(turn["segment_ids"])
    return [segment for segment in row["segment_ids"] if segment not in own]

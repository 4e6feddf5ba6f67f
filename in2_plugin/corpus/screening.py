"""What of a store is not to be used: documents that share text with evaluation items, and segments that repeat others.

Written as segments/exclusions.parquet, one row a segment with the reason, and exclusions.json with the counts.
Invariant: the same bytes for any number of workers. A pure function looks at ranges of whole documents, in any process;
its results are taken in order. Cost: a tenth of a second for a megabyte of text and core, most of it finding words.
Memory: a few ranges, 12 bytes a segment, and the contaminated documents; rows go to disk as they are found.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from heapq import merge
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.decontamination import Contaminants
from in2_plugin.corpus.evaluation_items import evaluation_items
from in2_plugin.corpus.near_duplicates import Bands, NearDuplicates, Repeat, band_keys, shingles
from in2_plugin.corpus.store import EXCLUSION_SCHEMA, EXCLUSIONS, SegmentStore
from in2_plugin.corpus.words import word_hashes, words_of
from in2_plugin.errors import DatasetError
from in2_plugin.parallel import ordered_map
from in2_plugin.sealing import seal_json, seal_part

FACTS = "exclusions.json"
CHUNK_SEGMENTS = 4_096
CONTAMINATED, NEAR_DUPLICATE = "contaminated", "near_duplicate"
ROWS = 1 << 16
"""Rows that are written at a time."""
Row = tuple[int, str, str, str]
"""As in EXCLUSION_SCHEMA."""


@dataclass(frozen=True, slots=True)
class ScreeningFacts:
    """What exclusions.json says."""

    evaluation_items: int
    short_items: int
    """Evaluation items with too few words to be compared."""
    contaminated_documents: int
    contaminated_segments: int
    near_duplicates: int
    removes_near_duplicates: bool
    by_item: dict[str, int] = field(default_factory=dict)
    """Contaminated documents by evaluation set."""
    items: dict[str, int] = field(default_factory=dict)
    """Evaluation items that were compared, by evaluation set."""
    ngrams: int = 0
    """N-grams of all evaluation items, each once."""

    def counts(self) -> dict[str, int]:
        """What a manifest counts."""
        names = ("contaminated_documents", "contaminated_segments", "near_duplicates")
        return {name: int(getattr(self, name)) for name in names}

    def line(self) -> str:
        """What a build says."""
        short = f" ({self.short_items:,} more are too short to compare)" if self.short_items else ""
        verb = "left out" if self.removes_near_duplicates else "noted"
        return (
            f"{self.contaminated_documents:,} documents left out because they share text with one of "
            f"{self.evaluation_items:,} evaluation items{short}; {self.near_duplicates:,} segments {verb} because they "
            "repeat others"
        )


def screening_facts(folder: Path) -> ScreeningFacts:
    """What the screening of a store found.

    Raises:
        DatasetError: it was not screened, or its facts cannot be read.
    """
    try:
        return ScreeningFacts(**json.loads((folder / FACTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as failure:
        raise DatasetError(
            f"{folder / FACTS}: cannot be read ({failure}); remove exclusions.parquet there and build again"
        ) from None


def screen(
    store: SegmentStore, config: CorpusConfig, workers: int, on_segments: Callable[[int], None]
) -> ScreeningFacts:
    """Compare every segment with evaluation items and with each other, and write down which are not to be used.

    Raises:
        CorpusError: an evaluation set cannot be read.
        WorkerDied: a worker process was killed.
    """
    evaluation, near = config.decontamination, config.near_duplicates
    items = evaluation_items(evaluation) if evaluation.ngram else iter(())
    contaminants = Contaminants.of(items, evaluation.ngram or 1)
    looking = _Looking(store, contaminants, near.threshold)
    contaminated: dict[int, tuple[str, str]] = {}
    with NearDuplicates(store.folder, len(store), near.threshold or 1.0) as duplicates:
        for seen in ordered_map(looking, _ranges(store), workers):
            contaminated.update(seen.contaminated)
            duplicates.add(seen.segments, seen.keys)
            on_segments(seen.looked_at)
        repeats = duplicates.found(store.text) if near.threshold is not None else iter(())
        rows = merge(_contaminated_rows(store, contaminated), _repeat_rows(repeats))
        counts = _write(store.folder / f"{EXCLUSIONS}.part", rows)
    facts = ScreeningFacts(
        evaluation_items=len(contaminants.names),
        short_items=contaminants.short,
        contaminated_documents=len(contaminated),
        contaminated_segments=counts[CONTAMINATED],
        near_duplicates=counts[NEAR_DUPLICATE],
        removes_near_duplicates=near.remove,
        by_item=_by_set(item for _, item in contaminated.values()),
        items=_by_set(contaminants.names),
        ngrams=len(contaminants.hashes),
    )
    seal_json(store.folder / FACTS, asdict(facts))
    seal_part(store.folder / EXCLUSIONS)
    return facts


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found in a range of documents."""

    looked_at: int
    contaminated: dict[int, tuple[str, str]]
    """Document -> the shared words, and the evaluation item."""
    segments: npt.NDArray[np.uint32]
    keys: Bands
    """(n_segments, n_bands)"""


class _Looking:
    """Looks at ranges of documents, here or in a worker process."""

    def __init__(self, store: SegmentStore, contaminants: Contaminants, threshold: float | None) -> None:
        self._store, self._contaminants, self._threshold = store, contaminants, threshold

    def __call__(self, segments: range) -> _Seen:
        texts = self._store.table["text"].slice(segments.start, len(segments)).to_pylist()
        found = words_of(texts)
        flat = [word for one in found for word in one]
        hashes = word_hashes(flat)
        edges = np.concatenate([[0], np.cumsum([len(one) for one in found])])
        documents = self._store.document[segments.start : segments.stop]
        begins = np.flatnonzero(np.concatenate([[True], documents[1:] != documents[:-1]]))
        hits = self._contaminants.hits(flat, hashes, edges[[*begins, len(found)]])
        contaminated = {int(documents[begins[i]]): (hit.ngram, hit.item) for i, hit in hits.items()}
        bands = band_keys([], self._threshold or 1.0)
        fit = np.zeros(0, np.int64)
        if self._threshold is not None:
            # what is left out anyway must not be the one that others repeat
            usable = self._store.standing_usable[segments.start : segments.stop]
            fit = np.flatnonzero(usable & ~np.isin(documents, list(contaminated)))
            rows = [shingles(hashes[edges[i] : edges[i + 1]], texts[i]) for i in fit.tolist()]
            bands = band_keys(rows, self._threshold)
        return _Seen(len(segments), contaminated, (fit + segments.start).astype(np.uint32), bands)


def _ranges(store: SegmentStore) -> Iterator[range]:
    """Segments of whole documents, about CHUNK_SEGMENTS at a time."""
    ends = np.flatnonzero(np.diff(store.document)) + 1
    start = 0
    while start < len(store):
        place = int(np.searchsorted(ends, start + CHUNK_SEGMENTS))
        stop = int(ends[place]) if place < len(ends) else len(store)
        yield range(start, stop)
        start = stop


def _by_set(items: Iterable[str]) -> dict[str, int]:
    """How many of these items are of each evaluation set: what stands before the last colon of their names."""
    return dict(sorted(Counter(item.rpartition(":")[0] for item in items).items()))


def _contaminated_rows(store: SegmentStore, contaminated: dict[int, tuple[str, str]]) -> Iterator[Row]:
    for document, (ngram, item) in sorted(contaminated.items()):
        for segment in store.segments_of(document):
            yield segment, CONTAMINATED, ngram, item


def _repeat_rows(repeats: Iterable[Repeat]) -> Iterator[Row]:
    for repeat in repeats:
        yield repeat.segment, NEAR_DUPLICATE, f"similarity {repeat.similarity:.3f}", str(repeat.kept)


def _write(path: Path, rows: Iterator[Row]) -> Counter[str]:
    """Write rows in the order in which they come; returns how many there are of each reason."""
    counts: Counter[str] = Counter()
    with pq.ParquetWriter(path, EXCLUSION_SCHEMA, compression="zstd") as writer:
        while some := list(islice(rows, ROWS)):
            counts.update(reason for _, reason, _, _ in some)
            columns = zip(*some, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, EXCLUSION_SCHEMA, strict=True)]
            writer.write_table(pa.table(arrays, schema=EXCLUSION_SCHEMA))
    return counts

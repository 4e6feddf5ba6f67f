"""Screen a store: exclude documents that share text with evaluation items, and segments that repeat others.

Writes segments/exclusions.parquet, one row per segment with the reason, and exclusions.json with the counts.
Invariant: the same bytes for any number of workers. A pure function examines ranges of whole documents in any process,
and its results are merged in order. Cost: 0.1 s per megabyte of text on one core, most of it splitting words.
Memory: a few ranges, 12 bytes per segment, and the contaminated documents; rows are written as they are found.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from heapq import merge
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.screening.decontamination import Contaminants
from in2_plugin.corpus.screening.evaluation_items import evaluation_items
from in2_plugin.corpus.screening.excluded_folders import KnownDocuments, excluded_texts
from in2_plugin.corpus.screening.near_duplicates import NearDuplicates, Repeat, band_keys, shingles
from in2_plugin.corpus.screening.ngrams import word_hashes, words_of
from in2_plugin.corpus.store import EXCLUSION_SCHEMA, SegmentStore
from in2_plugin.errors import DatasetError
from in2_plugin.io.arrow_stream import read_batches, serialize_batch
from in2_plugin.io.atomic import commit_part, write_json_atomic

SHARD_SEGMENTS = 32_768
CHUNK_SEGMENTS = 4_096
"""Segments examined together; memory is that of their words."""
CONTAMINATIONS, BANDS = 0, 1
"""Contents of a stream."""
CONTAMINATED, NEAR_DUPLICATE = "contaminated", "near_duplicate"
SAME_DOCUMENT = "the whole document"
"""Detail of an exclusion: not an n-gram, but all of the text is in a folder of `decontamination.against`."""
ROWS = 1 << 16
"""Rows written at a time."""
Row = tuple[int, str, str, str]
"""Columns as in EXCLUSION_SCHEMA."""


@dataclass(frozen=True, slots=True)
class ScreeningFacts:
    """The content of exclusions.json."""

    evaluation_items: int
    short_items: int
    """Evaluation items with fewer than `shortest` words, which are not compared."""
    contaminated_documents: int
    contaminated_segments: int
    near_duplicates: int
    removes_near_duplicates: bool
    by_item: dict[str, int] = field(default_factory=dict)
    """Contaminated documents by evaluation set."""
    items: dict[str, int] = field(default_factory=dict)
    """Compared evaluation items, by evaluation set."""
    ngrams: int = 0
    """Distinct n-grams of all evaluation items."""
    shortest: int = 0
    """Words of the shortest item that is compared; 0 in files of earlier versions, which compared no short items."""
    same_documents: int = 0
    """Contaminated documents that are documents of a folder of `decontamination.against`."""

    def counts(self) -> dict[str, int]:
        """Return the counts for the manifest."""
        names = ["contaminated_documents", "contaminated_segments", "near_duplicates"]
        names += ["same_documents"] if self.same_documents else []
        return {name: int(getattr(self, name)) for name in names}

    def line(self) -> str:
        """Return one sentence for the build's output."""
        parts = []
        if self.same_documents:
            parts.append(
                f"{self.same_documents:,} documents left out because a folder of `decontamination.against` has them"
            )
        if self.evaluation_items:
            least = f"names and identifiers of fewer than {self.shortest} words are not compared"
            short = f" ({self.short_items:,} {least})" if self.short_items else ""
            parts.append(
                f"{self.contaminated_documents - self.same_documents:,} documents left out because they share text "
                f"with one of {self.evaluation_items:,} evaluation items{short}"
            )
        verb = "left out" if self.removes_near_duplicates else "noted"
        parts.append(f"{self.near_duplicates:,} segments {verb} because they repeat others")
        return "; ".join(parts)


def screening_facts(folder: Path) -> ScreeningFacts:
    """Read the result of screening a store.

    Raises:
        DatasetError: the store was not screened, or exclusions.json cannot be read.
    """
    try:
        return ScreeningFacts(**json.loads((folder / layout.SCREENING_FACTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as failure:
        raise DatasetError(
            f"{folder / layout.SCREENING_FACTS}: cannot be read ({failure}); "
            "remove exclusions.parquet there and build again"
        ) from None


class Screening:
    """Compares segments with evaluation items and with each other: `look` at each shard, then `finish`."""

    def __init__(
        self, store: SegmentStore, config: CorpusConfig, say: Callable[[str], None] = lambda line: None
    ) -> None:
        """Read the evaluation items; `say` gets one line per evaluation set with skipped rows.

        Raises:
            CorpusError: an evaluation set cannot be read.
        """
        evaluation, self._near = config.decontamination, config.near_duplicates
        items = evaluation_items(evaluation, say) if evaluation.ngram else iter(())
        self._store, self._contaminants = store, Contaminants.of(items, evaluation.ngram or 1, evaluation.whole_items)
        self._known = KnownDocuments.of(excluded_texts(evaluation))
        self.look = _ShardScreen(store, self._contaminants, self._known, self._near.threshold)
        """Yields the findings in one of `shards` as serialized batches."""

    @property
    def shards(self) -> list[range]:
        """Return ranges of segments of whole documents."""
        return list(_ranges(self._store, 0, len(self._store), SHARD_SEGMENTS))

    @property
    def needs(self) -> list[Path]:
        """Return the files that `look` opens."""
        return self._store.files

    def fingerprint(self) -> str:
        """Return a digest that changes if `look` would find something else."""
        index = self._contaminants
        said = repr((self._store.facts, self._near.threshold, index.n, index.names, self._known.names)).encode()
        return hashlib.sha256(said + index.hashes.tobytes() + self._known.keys.tobytes()).hexdigest()

    def finish(self, paths: Sequence[Path]) -> ScreeningFacts:
        """Put together what was found, and write which segments are excluded.

        Args:
            paths: the files with the results of `look` for each shard, in order.
        """
        store, near = self._store, self._near
        contaminated: dict[int, tuple[str, str]] = {}
        with NearDuplicates(store.folder, len(store), near.threshold or 1.0) as duplicates:
            for path in paths:
                for batch, said in read_batches(path):
                    columns = [batch.column(i) for i in range(batch.num_columns)]
                    if said["holds"] == CONTAMINATIONS:
                        documents, ngrams, items = (column.to_pylist() for column in columns)
                        contaminated.update(zip(documents, zip(ngrams, items, strict=True), strict=True))
                    else:
                        segments, keys = np.asarray(columns[0]), np.asarray(columns[1].flatten())
                        duplicates.add(segments, keys.reshape(len(segments), columns[1].type.list_size))
            repeats = duplicates.found(store.text) if near.threshold is not None else iter(())
            rows = merge(_contaminated_rows(store, contaminated), _repeat_rows(repeats))
            counts = _write(store.folder / f"{layout.EXCLUSIONS}.part", rows)
        facts = self._facts(contaminated, counts)
        write_json_atomic(store.folder / layout.SCREENING_FACTS, asdict(facts))
        commit_part(store.folder / layout.EXCLUSIONS)
        return facts

    def _facts(self, contaminated: Mapping[int, tuple[str, str]], counts: Counter[str]) -> ScreeningFacts:
        return ScreeningFacts(
            evaluation_items=len(self._contaminants.names),
            short_items=self._contaminants.short,
            contaminated_documents=len(contaminated),
            contaminated_segments=counts[CONTAMINATED],
            near_duplicates=counts[NEAR_DUPLICATE],
            removes_near_duplicates=self._near.remove,
            by_item=_by_set(item for _, item in contaminated.values()),
            items=_by_set(self._contaminants.names),
            ngrams=len(self._contaminants.hashes),
            shortest=self._contaminants.shortest,
            same_documents=sum(ngram == SAME_DOCUMENT for ngram, _ in contaminated.values()),
        )


class _ShardScreen:
    """Examines ranges of documents, in this process or in a worker."""

    def __init__(
        self, store: SegmentStore, contaminants: Contaminants, known: KnownDocuments, threshold: float | None
    ) -> None:
        self._store, self._contaminants, self._known, self._threshold = store, contaminants, known, threshold

    def __call__(self, shard: range) -> Iterator[bytes]:
        for segments in _ranges(self._store, shard.start, shard.stop, CHUNK_SEGMENTS):
            yield from self._look(segments)

    def _look(self, segments: range) -> Iterator[bytes]:
        texts = self._store.table["text"].slice(segments.start, len(segments)).to_pylist()
        found = words_of(texts)
        flat = [word for one in found for word in one]
        hashes = word_hashes(flat)
        edges = np.concatenate([[0], np.cumsum([len(one) for one in found])])
        documents = self._store.document[segments.start : segments.stop]
        begins = np.flatnonzero(np.concatenate([[True], documents[1:] != documents[:-1]]))
        hits = self._contaminants.hits(flat, hashes, edges[[*begins, len(found)]])
        by_text = {i: (hit.ngram, hit.item) for i, hit in hits.items()} | self._same_documents(texts, begins)
        contaminated = [int(documents[begins[i]]) for i in by_text]
        said = [ngram for ngram, _ in by_text.values()], [item for _, item in by_text.values()]
        columns = [pa.array(contaminated, pa.uint32()), *(pa.array(column, pa.string()) for column in said)]
        yield serialize_batch(pa.record_batch(columns, ["document", "ngram", "item"]), {"holds": CONTAMINATIONS})
        if self._threshold is None:
            return
        # a segment that is left out anyway must not be the one that others repeat
        usable = self._store.lets_use(self._store.standing[segments.start : segments.stop])
        fit = np.flatnonzero(usable & ~np.isin(documents, contaminated))
        rows = [shingles(hashes[edges[i] : edges[i + 1]], texts[i]) for i in fit.tolist()]
        keys = band_keys(rows, self._threshold)
        bands = pa.FixedSizeListArray.from_arrays(pa.array(keys.ravel()), keys.shape[1])
        ids = pa.array((fit + segments.start).astype(np.uint32))
        yield serialize_batch(pa.record_batch({"segment": ids, "keys": bands}), {"holds": BANDS})

    def _same_documents(self, texts: Sequence[str], begins: npt.NDArray[np.int64]) -> dict[int, tuple[str, str]]:
        """Return detail and source of each document that a folder of `against` has, by its place in `begins`."""
        names = (self._known.find(texts[start:stop]) for start, stop in pairwise([*begins.tolist(), len(texts)]))
        return {i: (SAME_DOCUMENT, f"{name} document:") for i, name in enumerate(names) if name}


def _ranges(store: SegmentStore, start: int, end: int, size: int) -> Iterator[range]:
    """Yield ranges of about `size` segments of whole documents from `start` to `end`."""
    ends = start + 1 + np.flatnonzero(np.diff(store.document[start:end]))
    while start < end:
        place = int(np.searchsorted(ends, start + size))
        stop = int(ends[place]) if place < len(ends) else end
        yield range(start, stop)
        start = stop


def _by_set(items: Iterable[str]) -> dict[str, int]:
    """Count items per evaluation set, which is the part of their names before the last colon."""
    return dict(sorted(Counter(item.rpartition(":")[0] for item in items).items()))


def _contaminated_rows(store: SegmentStore, contaminated: dict[int, tuple[str, str]]) -> Iterator[Row]:
    for document, (ngram, item) in sorted(contaminated.items()):
        for segment in store.segments_of(document):
            yield segment, CONTAMINATED, ngram, item


def _repeat_rows(repeats: Iterable[Repeat]) -> Iterator[Row]:
    for repeat in repeats:
        yield repeat.segment, NEAR_DUPLICATE, f"similarity {repeat.similarity:.3f}", str(repeat.kept)


def _write(path: Path, rows: Iterator[Row]) -> Counter[str]:
    """Write rows in order, and return their number per reason."""
    counts: Counter[str] = Counter()
    with pq.ParquetWriter(path, EXCLUSION_SCHEMA, compression="zstd") as writer:
        while some := list(islice(rows, ROWS)):
            counts.update(reason for _, reason, _, _ in some)
            columns = zip(*some, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, EXCLUSION_SCHEMA, strict=True)]
            writer.write_table(pa.table(arrays, schema=EXCLUSION_SCHEMA))
    return counts

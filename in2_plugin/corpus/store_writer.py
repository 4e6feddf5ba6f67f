"""Write the segment store: append segments, then commit all files together.

Invariant: the same texts in the same order give the same bytes, whatever the chunks. Memory: one batch of the table,
about 10 MB of text, and the largest chunk.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa

from in2_plugin import layout
from in2_plugin.corpus.cutting import Cut, Cutter, chunks, counts_by_words
from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.splicing import Joining, splices_equal_joint
from in2_plugin.corpus.store import COLUMNS, DOCUMENT_SCHEMA, SEGMENT_SCHEMA, SegmentStatus, SegmentStore, StoreFacts
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.io.atomic import commit_part, write_json_atomic

SAMPLE_SEGMENTS = 4_096
MIN_SPLICEABLE = 0.95
"""If a smaller share of segments has ids that do not depend on their neighbour, all examples are tokenized whole."""
BATCH_SEGMENTS = 16_384
"""Rows per batch of the tables; each batch costs an open store some hundred bytes."""
TABLES = {layout.SEGMENT_TABLE: SEGMENT_SCHEMA, layout.DOCUMENT_TABLE: DOCUMENT_SCHEMA}


def build_store(
    documents: Iterable[Document],
    folder: Path,
    tokenizer: TextTokenizer,
    *,
    segment_tokens: int,
    paper_exact: bool,
    rng: np.random.Generator,
    add_more: Callable[["StoreWriter"], None] = lambda writer: None,
) -> SegmentStore:
    """Cut documents into segments in this process, and write the store.

    Args:
        add_more: called with the writer after the last document.

    Raises:
        CorpusError: the documents cannot be read.
    """
    given = chunks(documents)
    first = next(given, [])
    cutter = Cutter(tokenizer, segment_tokens, paper_exact, by_words=counts_by_words(tokenizer, first))
    with StoreWriter(folder, tokenizer, rng) as writer:
        for chunk in (first, *given) if first else ():
            sources, keys = zip(*((document.source, document.key) for document in chunk), strict=True)
            writer.add(sources, keys, cutter([document.text for document in chunk]))
        add_more(writer)
    return SegmentStore(folder)


class StoreWriter:
    """Context manager that completes the store if its block raises nothing."""

    def __init__(self, folder: Path, tokenizer: TextTokenizer, rng: np.random.Generator) -> None:
        """`rng` draws the segments with which joining is tested."""
        self._folder, self._tokenizer, self._rng = folder, tokenizer, rng
        self._files: dict[str, IO[bytes]] = {}
        self._waiting: dict[str, list[pa.RecordBatch]] = {name: [] for name in TABLES}
        self.documents = self.segments = self.record_segments = self.tokens = 0

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in (layout.STORE_FACTS, layout.EXCLUSIONS):  # what was screened is another store
            (self._folder / name).unlink(missing_ok=True)
        for name in (*TABLES, layout.SEGMENT_IDS, layout.SEGMENT_OFFSETS, *COLUMNS):
            self._files[name] = (self._folder / f"{name}.part").open("wb")
        self._tables = {name: pa.ipc.new_file(self._files[name], schema) for name, schema in TABLES.items()}
        self._files[layout.SEGMENT_OFFSETS].write(np.int64(0).tobytes())
        return self

    def add_records(self, sources: Sequence[str], keys: Sequence[str], cut: Cut) -> None:
        """Append the segments of invented records, after all documents of the corpus."""
        self.add(sources, keys, cut)
        self.record_segments += len(cut.n_tokens)

    def add(self, sources: Sequence[str], keys: Sequence[str], cut: Cut) -> None:
        """Append the segments of documents with these `sources` and `keys`."""
        first = self.segments + np.concatenate([[0], np.cumsum(cut.n_segments)[:-1]]).astype(np.int64)
        document = np.repeat(self.documents + np.arange(len(keys)), cut.n_segments)
        self._append(layout.DOCUMENT_TABLE, sources, keys, first[: len(keys)], cut.n_segments)
        spans = cut.spans[:, 0], cut.spans[:, 1]
        self._append(layout.SEGMENT_TABLE, document, *spans, cut.texts, cut.n_tokens, cut.standings)
        ends = (self.tokens + np.cumsum(cut.n_tokens)) * cut.ids.itemsize
        flat = {
            layout.SEGMENT_DOCUMENTS: document,
            layout.SEGMENT_LENGTHS: cut.n_tokens,
            layout.SEGMENT_STANDINGS: cut.standings,
        }
        for name, values in flat.items():
            self._files[name].write(values.astype(COLUMNS[name]).tobytes())
        self._files[layout.SEGMENT_IDS].write(cut.ids.tobytes())
        self._files[layout.SEGMENT_OFFSETS].write(ends.astype(np.int64).tobytes())
        self.documents += len(keys)
        self.segments += len(cut.n_tokens)
        self.tokens += int(cut.n_tokens.sum())

    def _append(self, name: str, *columns: Any) -> None:
        schema = TABLES[name]
        arrays = [
            column if isinstance(column, pa.Array) else pa.array(column, type=field.type)
            for column, field in zip(columns, schema, strict=True)
        ]
        self._waiting[name].append(pa.record_batch(arrays, schema=schema))
        if sum(map(len, self._waiting[name])) >= BATCH_SEGMENTS:
            self._flush(name, whole=False)

    def _flush(self, name: str, *, whole: bool) -> None:
        """Write full batches, and with `whole` the rest too: batches must not depend on the chunks."""
        table = pa.Table.from_batches(self._waiting[name], TABLES[name]).combine_chunks()
        n = len(table) if whole else len(table) // BATCH_SEGMENTS * BATCH_SEGMENTS
        self._tables[name].write_table(table.slice(0, n), max_chunksize=BATCH_SEGMENTS)
        self._waiting[name] = table.slice(n).to_batches()

    def __exit__(self, kind: object, *_: object) -> None:
        for name, table in self._tables.items():
            if kind is None:
                self._flush(name, whole=True)
            table.close()
        for name, file in self._files.items():
            file.close()
            if kind is None:
                commit_part(self._folder / name)
        if kind is None:
            write_json_atomic(self._folder / layout.STORE_FACTS, self._facts())

    def _facts(self) -> dict[str, Any]:
        standings = np.fromfile(self._folder / layout.SEGMENT_STANDINGS, np.uint8)
        counts = np.bincount(standings, minlength=len(SegmentStatus))
        spells, depends = counts[SegmentStatus.SPELLS_SPECIAL_TOKEN], counts[SegmentStatus.DEPENDS_ON_NEIGHBOUR]
        facts = {
            "documents": self.documents,
            "segments": self.segments,
            "tokens": self.tokens,
            "depends_on_neighbour": int(depends),
            "spells_special_token": int(spells),
            "tokenizer": self._tokenizer.fingerprint(),
            "joining": Joining.RETOKENIZE,
            "id_type": self._tokenizer.id_type.name,
        }
        if self.record_segments:
            facts["record_segments"] = self.record_segments
        spliceable = counts[SegmentStatus.USABLE] >= MIN_SPLICEABLE * (self.segments - spells)
        if spliceable and self._splices_equal_joint(facts, np.flatnonzero(standings == SegmentStatus.USABLE)):
            facts["joining"] = Joining.SPLICE
        return facts

    def _splices_equal_joint(self, facts: dict[str, Any], usable: np.ndarray) -> bool:
        """Test joining on a uniform sample of the written segments."""
        if not len(usable):
            return False
        sample = self._rng.choice(usable, size=min(SAMPLE_SEGMENTS, len(usable)), replace=False)
        store = SegmentStore(self._folder, StoreFacts.read(facts))
        ids = [store.ids(int(i)).tolist() for i in sample]
        return splices_equal_joint(self._tokenizer, store.texts(sample.tolist()), ids, self._rng)

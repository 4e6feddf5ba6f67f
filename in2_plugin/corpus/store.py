"""The segment store: texts in a memory-mapped Arrow file, token ids in a flat file beside it.

    segments/
      exclusions.parquet   segments that screening left out, with the reason; exclusions.json has its counts
      segments.arrow       document, start, stop (characters in the document), text, n_tokens, standing
      documents.arrow      source, key, first segment, number of segments
      ids.bin              token ids of every segment with its separator, one after the other
      offsets.bin          int64, n_segments + 1: where each segment's ids begin in ids.bin, in bytes
      store.json           written last: counts, tokenizer fingerprint, joining

Invariant: segment i's ids are bytes [offsets[i], offsets[i+1]) of ids.bin, and `n_tokens` is their number. Opening
costs a few memory maps, whatever the size; a pickled store is its path.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from in2_plugin.corpus.cutting import Cut, Cutter, chunks, counts_by_words
from in2_plugin.corpus.joining import Joining, splices_equal_joint
from in2_plugin.corpus.readers import Document
from in2_plugin.corpus.standing import Standing
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.errors import DatasetError
from in2_plugin.parallel import ordered_map
from in2_plugin.sealing import seal_json, seal_part

SEGMENT_SCHEMA = pa.schema(
    [
        ("document", pa.uint32()),
        ("start", pa.uint32()),
        ("stop", pa.uint32()),
        ("text", pa.large_string()),
        ("n_tokens", pa.uint32()),
        ("standing", pa.uint8()),
    ]
)
DOCUMENT_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("key", pa.string()),
        ("first_segment", pa.uint32()),
        ("n_segments", pa.uint32()),
    ]
)
EXCLUSIONS = "exclusions.parquet"
"""Written by screening: segments that are not to be used, with the reason."""
EXCLUSION_SCHEMA = pa.schema(
    [("segment_id", pa.uint32()), ("reason", pa.string()), ("detail", pa.string()), ("source", pa.string())]
)
SAMPLE_SEGMENTS = 4_096
MIN_SPLICEABLE = 0.95
"""Below this share of segments whose ids do not depend on their neighbour, all examples are re-tokenised."""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What `store.json` says."""

    documents: int
    segments: int
    tokens: int
    depends_on_neighbour: int
    spells_special_token: int
    tokenizer: str
    joining: Joining


class SegmentStore:
    """Read access to a finished store. Arrays are memory-mapped views; nothing is copied on opening."""

    def __init__(self, folder: Path) -> None:
        """Open a store.

        Raises:
            DatasetError: the folder holds no finished store.
        """
        self.folder = folder
        try:
            facts = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DatasetError(
                f"{folder}: holds no finished segment store; run `in2 build` again to finish it"
            ) from None
        self.id_type = np.dtype(facts.pop("id_type"))
        self.facts = StoreFacts(**{**facts, "joining": Joining(facts["joining"])})

    def __len__(self) -> int:
        return self.facts.segments

    def with_joining(self, joining: Joining) -> "SegmentStore":
        """Record another way of joining, and open the store again with it."""
        facts = {**asdict(self.facts), "joining": joining, "id_type": self.id_type.name}
        seal_json(self.folder / "store.json", facts)
        return SegmentStore(self.folder)

    def __reduce__(self) -> tuple[type["SegmentStore"], tuple[Path]]:
        return SegmentStore, (self.folder,)

    @cached_property
    def table(self) -> pa.Table:
        """One row a segment, as in SEGMENT_SCHEMA; memory-mapped."""
        return _open_table(self.folder / "segments.arrow")

    @cached_property
    def _ids(self) -> pa.LargeBinaryArray:
        # Arrow copies the ids of many segments in one call, three times faster than slices of a numpy array
        ids, offsets = (pa.memory_map(str(self.folder / name)).read_buffer() for name in ("ids.bin", "offsets.bin"))
        if offsets.size != 8 * (len(self) + 1) or np.frombuffer(offsets, np.int64)[-1] != ids.size:
            raise DatasetError(
                f"{self.folder}: ids.bin and offsets.bin do not belong together; run `in2 build --restart` to make "
                "them again"
            )
        return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(self), [None, offsets, ids])

    @cached_property
    def n_tokens(self) -> npt.NDArray[np.uint32]:
        """(n_segments,) tokens of each segment, its separator included."""
        return np.asarray(self.table["n_tokens"])

    @cached_property
    def document(self) -> npt.NDArray[np.uint32]:
        """(n_segments,) number of the document that each segment is from."""
        return np.asarray(self.table["document"])

    @cached_property
    def standing(self) -> npt.NDArray[np.uint8]:
        """(n_segments,) values of `Standing`."""
        return np.asarray(self.table["standing"])

    @cached_property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(n_segments,) whether a segment may be gold or filler: its tokens allow it, and screening kept it."""
        return self.standing_usable & ~self.excluded

    @cached_property
    def standing_usable(self) -> npt.NDArray[np.bool_]:
        """(n_segments,) whether its tokens let a segment be used.

        When examples are tokenised as a whole, a segment's neighbour cannot change its stored ids.
        """
        if self.facts.joining is Joining.RETOKENIZE:
            return np.not_equal(self.standing, Standing.SPELLS_SPECIAL_TOKEN)
        return np.equal(self.standing, Standing.USABLE)

    @cached_property
    def excluded(self) -> npt.NDArray[np.bool_]:
        """(n_segments,) whether screening left a segment out."""
        excluded = np.zeros(len(self), np.bool_)
        rows = self._exclusions
        if json.loads(_text(self.folder / "exclusions.json", "{}")).get("removes_near_duplicates", True):
            excluded[rows["segment_id"].to_numpy()] = True
        else:
            excluded[rows.filter(pc.not_equal(rows["reason"], "near_duplicate"))["segment_id"].to_numpy()] = True
        return excluded

    @cached_property
    def repeats(self) -> dict[int, int]:
        """Segments that say the same as an earlier one, and that one."""
        rows = self._exclusions.filter(pc.equal(self._exclusions["reason"], "near_duplicate"))
        kept = map(int, rows["source"].to_pylist())
        return dict(zip(rows["segment_id"].to_pylist(), kept, strict=True))

    @cached_property
    def _exclusions(self) -> pa.Table:
        path = self.folder / EXCLUSIONS
        return pq.read_table(path, schema=EXCLUSION_SCHEMA) if path.exists() else EXCLUSION_SCHEMA.empty_table()

    @cached_property
    def documents(self) -> pa.Table:
        """One row a document: source, key, first_segment, n_segments."""
        return _open_table(self.folder / "documents.arrow")

    def ids(self, segment_id: int) -> npt.NDArray[Any]:
        """Token ids of one segment, its separator included."""
        return np.frombuffer(self._ids[segment_id].as_buffer(), self.id_type)

    def gather(self, segment_ids: npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
        """Token ids of several segments, one after the other."""
        if not len(segment_ids):
            return np.zeros(0, self.id_type)
        return np.frombuffer(self._ids.take(pa.array(segment_ids)).buffers()[2], self.id_type)

    def text(self, segment_id: int) -> str:
        """Text of one segment, without separator."""
        return str(self.table["text"][segment_id].as_py())

    def texts(self, segment_ids: Iterable[int]) -> list[str]:
        """Texts of several segments."""
        return [self.text(int(i)) for i in segment_ids]

    def segments_of(self, document: int) -> range:
        """Segment ids of one document, in reading order."""
        first = self.documents["first_segment"][document].as_py()
        return range(first, first + self.documents["n_segments"][document].as_py())


def _text(path: Path, otherwise: str) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else otherwise


def _open_table(path: Path) -> pa.Table:
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowInvalid) as failure:
        raise DatasetError(f"{path}: is damaged ({failure}); run `in2 build --restart` to make it again") from None


def build_store(
    documents: Iterable[Document],
    folder: Path,
    tokenizer: TextTokenizer,
    *,
    segment_tokens: int,
    paper_exact: bool,
    rng: np.random.Generator,
    workers: int = 1,
    on_documents: Callable[[int], None] = lambda n: None,
) -> SegmentStore:
    """Cut documents into segments and write the store; memory is bounded by a few chunks and the largest document.

    `on_documents` is called with the number of documents that were written since the last call.

    Raises:
        CorpusError: the documents cannot be read.
        WorkerDied: a worker process was killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("store.json", EXCLUSIONS):  # what was screened is another store
        (folder / name).unlink(missing_ok=True)
    given = chunks(documents)
    first = next(given, [])
    cutter = Cutter(tokenizer, segment_tokens, paper_exact, by_words=counts_by_words(tokenizer, first))
    writer = _StoreWriter(folder, tokenizer, rng)
    with writer:
        for cut in ordered_map(cutter, chain([first], given), workers):
            writer.add(cut)
            on_documents(len(cut.documents))
    facts = writer.facts()
    seal_json(folder / "store.json", facts)
    return SegmentStore(folder)


class _StoreWriter:
    """Appends what was cut; `facts` says what was written once it is closed."""

    def __init__(self, folder: Path, tokenizer: TextTokenizer, rng: np.random.Generator) -> None:
        self._folder, self._tokenizer, self._rng = folder, tokenizer, rng
        self._files: dict[str, IO[bytes]] = {}
        self._standings: np.ndarray = np.zeros(len(Standing), np.int64)
        self._sample: list[tuple[str, npt.NDArray[Any]]] = []
        self.documents = self.segments = self.tokens = self._usable = 0

    def __enter__(self) -> "_StoreWriter":
        for name in ("segments.arrow", "documents.arrow", "ids.bin", "offsets.bin"):
            self._files[name] = (self._folder / f"{name}.part").open("wb")
        self._segments = pa.ipc.new_file(self._files["segments.arrow"], SEGMENT_SCHEMA)
        self._documents = pa.ipc.new_file(self._files["documents.arrow"], DOCUMENT_SCHEMA)
        self._files["offsets.bin"].write(np.int64(0).tobytes())
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._segments.close()
        self._documents.close()
        for name, file in self._files.items():
            file.close()
            if kind is None:
                seal_part(self._folder / name)

    def add(self, cut: Cut) -> None:
        """Append the segments of some documents."""
        first = self.segments + np.concatenate([[0], np.cumsum(cut.n_segments)[:-1]]).astype(np.int64)
        sources, keys = zip(*cut.documents, strict=True) if cut.documents else ((), ())
        self._documents.write_batch(_batch([sources, keys, first[: len(keys)], cut.n_segments], DOCUMENT_SCHEMA))
        document = np.repeat(self.documents + np.arange(len(keys)), cut.n_segments)
        columns = [document, cut.spans[:, 0], cut.spans[:, 1], cut.texts, cut.n_tokens, cut.standings]
        self._segments.write_batch(_batch(columns, SEGMENT_SCHEMA))
        ends = np.cumsum(cut.n_tokens)
        self._files["offsets.bin"].write(((self.tokens + ends) * cut.ids.itemsize).tobytes())
        self._files["ids.bin"].write(cut.ids.tobytes())
        self._keep_sample(cut, ends)
        self._standings += np.bincount(cut.standings, minlength=len(Standing))
        self.documents += len(keys)
        self.segments += len(cut.texts)
        self.tokens += int(cut.n_tokens.sum())

    def _keep_sample(self, cut: Cut, ends: npt.NDArray[np.int64]) -> None:
        """Hold a uniform sample of usable segments (by reservoir) for the comparison with the joint encoding."""
        for i in np.flatnonzero(cut.standings == Standing.USABLE).tolist():
            one = cut.texts[i], cut.ids[ends[i] - cut.n_tokens[i] : ends[i]].copy()
            self._usable += 1
            if len(self._sample) < SAMPLE_SEGMENTS:
                self._sample.append(one)
            elif (place := int(self._rng.integers(self._usable))) < SAMPLE_SEGMENTS:
                self._sample[place] = one

    def facts(self) -> dict[str, Any]:
        texts, ids = [pair[0] for pair in self._sample], [pair[1].tolist() for pair in self._sample]
        plain = self.segments - self._standings[Standing.SPELLS_SPECIAL_TOKEN]
        spliceable = self._standings[Standing.USABLE] >= MIN_SPLICEABLE * plain
        equal = spliceable and bool(texts) and splices_equal_joint(self._tokenizer, texts, ids, self._rng)
        return {
            "documents": self.documents,
            "segments": self.segments,
            "tokens": self.tokens,
            "depends_on_neighbour": int(self._standings[Standing.DEPENDS_ON_NEIGHBOUR]),
            "spells_special_token": int(self._standings[Standing.SPELLS_SPECIAL_TOKEN]),
            "tokenizer": self._tokenizer.fingerprint(),
            "joining": Joining.SPLICE if equal else Joining.RETOKENIZE,
            "id_type": self._tokenizer.id_type.name,
        }


def _batch(columns: Any, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)

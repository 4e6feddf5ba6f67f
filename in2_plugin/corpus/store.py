"""Read the segment store: texts in a memory-mapped Arrow file, token ids in a flat file next to it.

    segments/
      exclusions.parquet   segments that screening left out, with the reason; exclusions.json has its counts
      segments.arrow       document, start, stop (characters in the document), text, n_tokens, standing
      documents.arrow      source, key, first segment, number of segments
      document.bin, n_tokens.bin, standing.bin
                           the same columns as flat files, which all processes of a machine share
      ids.bin              token ids of every segment with its separator, concatenated
      offsets.bin          int64, n_segments + 1: where each segment's ids begin in ids.bin, in bytes
      store.json           written last: counts, tokenizer fingerprint, joining

Invented records (questions/records/) are the last segments, after those of the corpus. Invariant: segment i's ids are
bytes [offsets[i], offsets[i+1]) of ids.bin, and `n_tokens` is their number. Opening maps a few files, whatever their
size; a store pickles as its path. Memory: 2 bytes per segment once `usable` is read, and 8 bytes per near-duplicate.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.corpus.splicing import Joining
from in2_plugin.errors import DatasetError
from in2_plugin.io.atomic import write_json_atomic

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
EXCLUSION_SCHEMA = pa.schema(
    [("segment_id", pa.uint32()), ("reason", pa.string()), ("detail", pa.string()), ("source", pa.string())]
)
"""Written by screening: segments that must not be used, with the reason."""
COLUMNS: dict[str, Any] = {
    layout.SEGMENT_DOCUMENTS: np.uint32,
    layout.SEGMENT_LENGTHS: np.uint32,
    layout.SEGMENT_STANDINGS: np.uint8,
}
"""Columns of the table that are also stored flat; the table itself is in batches."""


class SegmentStatus(IntEnum):
    """Tell if a segment may be used in examples, and if not, why. Stored as `standing`."""

    USABLE = 0
    DEPENDS_ON_NEIGHBOUR = 1
    """Its first tokens depend on the text to its left, so its ids cannot be spliced."""
    SPELLS_SPECIAL_TOKEN = 2
    """Its text contains a special token, which would end a turn inside a context."""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """The content of `store.json`."""

    documents: int
    segments: int
    tokens: int
    depends_on_neighbour: int
    spells_special_token: int
    tokenizer: str
    joining: Joining
    id_type: str
    record_segments: int = 0
    """Number of segments with invented records; not in store.json if there are none, as in earlier versions."""

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Self:
        """Make the facts from the parsed content of `store.json`."""
        return cls(**{**facts, "joining": Joining(facts["joining"])})

    def as_json(self) -> dict[str, Any]:
        """Return the content of `store.json`."""
        facts = asdict(self)
        return facts if self.record_segments else {k: v for k, v in facts.items() if k != "record_segments"}


class SegmentStore:
    """Read access to a finished store. Arrays are memory-mapped views; nothing is copied on opening."""

    def __init__(self, folder: Path, facts: StoreFacts | None = None) -> None:
        """Open a store; `facts` replaces a `store.json` that is not written yet.

        Raises:
            DatasetError: the folder has no complete store.
        """
        self.folder = folder
        try:
            self.facts = facts or StoreFacts.read(json.loads((folder / layout.STORE_FACTS).read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise DatasetError(
                f"{folder}: has no complete segment store; run `in2 build` again to complete it"
            ) from None
        self.id_type = np.dtype(self.facts.id_type)

    def __len__(self) -> int:
        return self.facts.segments

    def with_joining(self, joining: Joining) -> "SegmentStore":
        """Write another `joining` to store.json, and reopen the store."""
        write_json_atomic(self.folder / layout.STORE_FACTS, replace(self.facts, joining=joining).as_json())
        return SegmentStore(self.folder)

    def __reduce__(self) -> tuple[type["SegmentStore"], tuple[Path]]:
        return SegmentStore, (self.folder,)

    @cached_property
    def table(self) -> pa.Table:
        """One row per segment, as in SEGMENT_SCHEMA; memory-mapped."""
        return _open_table(self.folder / layout.SEGMENT_TABLE)

    @cached_property
    def _ids(self) -> pa.LargeBinaryArray:
        # Arrow copies the ids of many segments in one call, three times faster than slices of a numpy array
        ids, offsets = (
            pa.memory_map(str(self.folder / name)).read_buffer()
            for name in (layout.SEGMENT_IDS, layout.SEGMENT_OFFSETS)
        )
        if offsets.size != 8 * (len(self) + 1) or np.frombuffer(offsets, np.int64)[-1] != ids.size:
            raise DatasetError(
                f"{self.folder}: ids.bin and offsets.bin do not match; run `in2 build --restart` to write them again"
            )
        return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(self), [None, offsets, ids])

    @cached_property
    def n_tokens(self) -> npt.NDArray[np.uint32]:
        """(n_segments,) tokens of each segment, its separator included."""
        return self._column(layout.SEGMENT_LENGTHS)

    @cached_property
    def document(self) -> npt.NDArray[np.uint32]:
        """(n_segments,) number of the document that each segment is from."""
        return self._column(layout.SEGMENT_DOCUMENTS)

    @cached_property
    def standing(self) -> npt.NDArray[np.uint8]:
        """(n_segments,) values of `SegmentStatus`."""
        return self._column(layout.SEGMENT_STANDINGS)

    def _column(self, name: str) -> npt.NDArray[Any]:
        path, dtype = self.folder / name, np.dtype(COLUMNS[name])
        if not path.exists() or path.stat().st_size != dtype.itemsize * len(self):
            raise DatasetError(f"{path}: is missing or damaged; run `in2 build --restart` to write it again")
        return np.asarray(np.memmap(path, dtype, mode="r")) if len(self) else np.zeros(0, dtype)

    @cached_property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(n_segments,) true for segments that may be gold or filler: tokens allow it, and screening kept them."""
        return self.standing_usable & ~self.excluded

    @property
    def corpus_segments(self) -> range:
        """Ids of the segments of the corpus."""
        return range(len(self) - self.facts.record_segments)

    @property
    def record_segments(self) -> range:
        """Ids of the segments with invented records."""
        return range(len(self) - self.facts.record_segments, len(self))

    @cached_property
    def standing_usable(self) -> npt.NDArray[np.bool_]:
        """(n_segments,) true for segments whose tokens allow their use."""
        return self.lets_use(self.standing)

    def lets_use(self, standing: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Return, for values of `SegmentStatus`, if segments with them may be used.

        If examples are tokenized as a whole, ids that depend on the neighbour do no harm.
        """
        if self.facts.joining is Joining.RETOKENIZE:
            return np.not_equal(standing, SegmentStatus.SPELLS_SPECIAL_TOKEN)
        return np.equal(standing, SegmentStatus.USABLE)

    @cached_property
    def excluded(self) -> npt.NDArray[np.bool_]:
        """(n_segments,) true for segments that screening left out."""
        excluded = np.zeros(len(self), np.bool_)
        rows = self._exclusions()
        if self._removes_near_duplicates:
            excluded[rows["segment_id"].to_numpy()] = True
        else:
            excluded[rows.filter(pc.not_equal(rows["reason"], "near_duplicate"))["segment_id"].to_numpy()] = True
        return excluded

    @cached_property
    def repeats(self) -> "Repeats":
        """Near-duplicate segments, each with the earlier segment that it repeats."""
        rows = self._exclusions()
        rows = rows.filter(pc.equal(rows["reason"], "near_duplicate"))
        return Repeats(np.asarray(rows["segment_id"]), np.asarray(rows["source"].cast(pa.uint32())))

    @cached_property
    def repeats_in_use(self) -> Mapping[int, int]:
        """The same for segments that screening did not leave out; usually empty."""
        return {} if self._removes_near_duplicates else self.repeats

    @property
    def _removes_near_duplicates(self) -> bool:
        return bool(json.loads(_text(self.folder / layout.SCREENING_FACTS, "{}")).get("removes_near_duplicates", True))

    def exclusions_digest(self) -> str:
        """Return a digest of what screening left out, "" without screening."""
        path = self.folder / layout.EXCLUSIONS
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""

    def _exclusions(self) -> pa.Table:
        path = self.folder / layout.EXCLUSIONS
        if not path.exists():
            return EXCLUSION_SCHEMA.empty_table()
        return pq.read_table(path, schema=EXCLUSION_SCHEMA, columns=["segment_id", "reason", "source"])

    @property
    def files(self) -> list[Path]:
        """Every complete file of the store."""
        return sorted(path for path in self.folder.iterdir() if path.suffix != ".part")

    @cached_property
    def documents(self) -> pa.Table:
        """One row per document: source, key, first_segment, n_segments."""
        return _open_table(self.folder / layout.DOCUMENT_TABLE)

    def ids(self, segment_id: int) -> npt.NDArray[Any]:
        """Return the token ids of one segment, its separator included."""
        return np.frombuffer(self._ids[segment_id].as_buffer(), self.id_type)

    def gather(self, segment_ids: npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
        """Return the token ids of several segments, concatenated."""
        if not len(segment_ids):
            return np.zeros(0, self.id_type)
        return np.frombuffer(self._ids.take(pa.array(segment_ids)).buffers()[2], self.id_type)

    @cached_property
    def _texts(self) -> pa.ChunkedArray:
        return self.table["text"]  # looking the column up takes as long as reading a text

    def text(self, segment_id: int) -> str:
        """Return the text of one segment, without separator."""
        return str(self._texts[segment_id].as_py())

    def texts(self, segment_ids: Iterable[int]) -> list[str]:
        """Return the texts of several segments."""
        return [self.text(int(i)) for i in segment_ids]

    def segments_of(self, document: int) -> range:
        """Return the segment ids of one document, in reading order."""
        first = self.documents["first_segment"][document].as_py()
        return range(first, first + self.documents["n_segments"][document].as_py())


class Repeats(Mapping[int, int]):
    """Maps each near-duplicate segment to the segment that it repeats."""

    def __init__(self, segments: npt.NDArray[np.uint32], kept: npt.NDArray[np.uint32]) -> None:
        """Take near-duplicates in ascending order, and the segment that each repeats."""
        self._segments, self._kept = segments, kept

    def __getitem__(self, segment: int) -> int:
        # in the column's own type: otherwise numpy converts the whole column
        place = int(np.searchsorted(self._segments, np.uint32(segment)))
        if place == len(self._segments) or self._segments[place] != segment:
            raise KeyError(segment)
        return int(self._kept[place])

    def __iter__(self) -> Iterator[int]:
        return iter(self._segments.tolist())

    def __len__(self) -> int:
        return len(self._segments)


def _text(path: Path, default: str) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else default


def _open_table(path: Path) -> pa.Table:
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowInvalid) as failure:
        raise DatasetError(f"{path}: is damaged ({failure}); run `in2 build --restart` to write it again") from None

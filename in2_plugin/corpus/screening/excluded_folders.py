"""Read the folders of `decontamination.against`: probes and datasets whose text a corpus must not share.

Invariant: a folder counts by its content, whose digest the build file records, and not by its path. Memory: 9 bytes
per document of these folders, and 4 bytes per gold segment; the gold texts are compared as evaluation items, which take
about 2 KB each.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.config import Config, Decontamination
from in2_plugin.corpus.screening.document_digests import document_digest, read_digests
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import ConfigError, CorpusError, DatasetError

ConfigT = TypeVar("ConfigT", bound=Config)
DATASET, PROBE = "dataset", "probe"
_LAST = {PROBE: layout.PROBE, DATASET: layout.MANIFEST}
"""Kind of folder -> the file that is written last."""
_GOLDS = {DATASET: (layout.QUESTIONS, "gold"), PROBE: (layout.PROBE_QUESTIONS, "segments")}
"""Kind of folder -> table of its questions and column with their gold segments."""


@dataclass(frozen=True, slots=True)
class ExcludedTexts:
    """What one folder says that a corpus must not contain."""

    kind: str
    digests: tuple[str, ...]
    """Of its documents, sorted."""
    store: SegmentStore
    golds: npt.NDArray[np.uint32]
    """Ids of the gold segments of its questions, ascending."""

    @classmethod
    def of(cls, folder: Path) -> "ExcludedTexts":
        """Open a finished probe or dataset.

        Raises:
            CorpusError: the folder is neither, or is damaged.
        """
        kind = next((kind for kind, file in _LAST.items() if (folder / file).exists()), None)
        if kind is None:
            raise CorpusError(
                f"`decontamination.against`: {folder} is not a finished probe or dataset; finish it with "
                "`in2 probe build` or `in2 build`, or correct the path"
            )
        table, column = _GOLDS[kind]
        try:
            golds = pq.read_table(folder / table, columns=[column])[column].combine_chunks().flatten()
            digests = read_digests(folder / layout.DOCUMENTS)
            return cls(kind, tuple(sorted(digests)), SegmentStore(folder / layout.SEGMENTS), np.unique(golds))
        except (OSError, ValueError, DatasetError) as failure:
            raise CorpusError(f"`decontamination.against`: {folder} cannot be read: {failure}") from None

    def content(self) -> str:
        """Return sixteen hex digits that change with any document or gold text; the same at any path."""
        golds = sorted(document_digest([text]) for text in self.gold_texts())
        return hashlib.sha256("\n".join([self.kind, *self.digests, "", *golds]).encode()).hexdigest()[:16]

    def gold_texts(self) -> Iterator[str]:
        """Yield the texts of the gold segments."""
        return (self.store.text(int(i)) for i in self.golds)


def with_contents(config: ConfigT) -> ConfigT:
    """Return a build or probe file with the content of each folder of `corpus.decontamination.against` filled in.

    Raises:
        ConfigError: the file states another content.
        CorpusError: a folder is not a finished probe or dataset.
    """
    corpus: Any = config.corpus  # type: ignore[attr-defined]
    rule: Decontamination = corpus.decontamination
    if not rule.against:
        return config
    filled = []
    for folder in rule.against:
        content = ExcludedTexts.of(folder.path).content()
        if folder.content not in (None, content):
            raise ConfigError(
                f"`corpus.decontamination.against`: {folder.path} has the content {content}, but the file states "
                f"`content: {folder.content}`; restore the folder, or delete `content`"
            )
        filled.append(folder.model_copy(update={"content": content}))
    changed = rule.model_copy(update={"against": tuple(filled)})
    return config.model_copy(update={"corpus": corpus.model_copy(update={"decontamination": changed})})


def excluded_texts(rule: Decontamination) -> Iterator[tuple[str, ExcludedTexts]]:
    """Yield each folder of `against` with its name, which has its content instead of its path.

    Raises:
        CorpusError: a folder is not a finished probe or dataset.
    """
    for folder in rule.against:
        found = ExcludedTexts.of(folder.path)
        yield f"{found.kind} {folder.content or found.content()}", found


@dataclass(frozen=True, slots=True)
class KnownDocuments:
    """The documents of all folders of `against`, to be found by their text."""

    names: tuple[str, ...]
    keys: npt.NDArray[np.uint64]
    """(n,) the first eight bytes of the digests, ascending."""
    folder: npt.NDArray[np.uint8]
    """(n,) index in `names` of a folder with the document."""

    @classmethod
    def of(cls, folders: Iterable[tuple[str, ExcludedTexts]]) -> "KnownDocuments":
        """Index the documents of some folders, each with its name."""
        found = list(folders)
        keys = np.array([_key(digest) for _, texts in found for digest in texts.digests], np.uint64)
        folder = np.repeat(np.arange(len(found), dtype=np.uint8), [len(texts.digests) for _, texts in found])
        keys, first = np.unique(keys, return_index=True)
        return cls(tuple(name for name, _ in found), keys, folder[first])

    def find(self, texts: Sequence[str]) -> str | None:
        """Return the name of a folder with the document that consists of these texts, or None."""
        if not len(self.keys):
            return None
        key = np.uint64(_key(document_digest(texts)))
        place = min(int(np.searchsorted(self.keys, key)), len(self.keys) - 1)
        return self.names[int(self.folder[place])] if self.keys[place] == key else None


def _key(digest: str) -> int:
    # among a million documents on either side, one is confused with another with a chance of one in ten million
    return int(digest[:16], 16)

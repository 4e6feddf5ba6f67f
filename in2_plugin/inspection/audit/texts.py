"""Compute figures of the texts in use: duplicates, n-grams shared with evaluation items, documents of other folders.

Invariant: texts are read from the segment store; the results of screening are not trusted. Cost: one pass over the
texts of all segments in use, 30 to 100 MB per second; 8 bytes per segment.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from in2_plugin.config import BuildConfig, Decontamination
from in2_plugin.corpus.screening.decontamination import Contaminants, Hit
from in2_plugin.corpus.screening.evaluation_items import evaluation_items
from in2_plugin.corpus.screening.excluded_folders import KnownDocuments, excluded_texts
from in2_plugin.corpus.screening.ngrams import Hashes, whole_hash, word_hashes, words_of
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import CorpusError
from in2_plugin.inspection.figures import Figure
from in2_plugin.inspection.report import REBUILD_SCREENING

BLOCK = 4_096
"""Segments per read."""


@dataclass(slots=True)
class _TextsInUse:
    """Hashes and contaminated segments of the texts in use."""

    hashes: list[Hashes]
    contaminated: dict[int, Hit]


def text_figures(store: SegmentStore, used: npt.NDArray[np.bool_], config: BuildConfig) -> Iterator[Figure]:
    """Yield figures of duplicates among the segments in use, and of evaluation text in them.

    Args:
        used: (n_segments,) True for segments in use.
    """
    rule = config.corpus.decontamination
    failure = ""
    contaminants = None
    if rule.ngram is not None:
        try:
            contaminants = Contaminants.of(evaluation_items(rule), rule.ngram, rule.whole_items)
        except CorpusError as error:
            failure = str(error)
    seen = _read(store, used, contaminants)
    yield _duplicates(seen, config.audit.duplicate_rate)
    if failure:
        yield Figure("evaluation text in use", 1, 0, False, f"evaluation items cannot be read: {failure}")
    elif contaminants is not None:
        yield _contamination(store, seen, contaminants)
    if rule.against:
        yield _shared_documents(store, used, rule)


def _read(store: SegmentStore, used: npt.NDArray[np.bool_], contaminants: Contaminants | None) -> _TextsInUse:
    seen = _TextsInUse([], {})
    for start in range(0, len(store), BLOCK):
        ids = start + np.flatnonzero(used[start : start + BLOCK])
        if not len(ids):
            continue
        texts = store.table["text"].slice(start, BLOCK).to_pylist()
        found = words_of([texts[i - start] for i in ids.tolist()])
        flat = [word for one in found for word in one]
        hashes = word_hashes(flat)
        edges = np.concatenate([[0], np.cumsum([len(one) for one in found])]).astype(np.int64)
        # a text without words, only punctuation, is compared unchanged
        whole = [
            whole_hash(hashes[edges[i] : edges[i + 1]] if found[i] else word_hashes([texts[place - start]]))
            for i, place in enumerate(ids.tolist())
        ]
        seen.hashes.append(np.array(whole, np.uint64))
        if contaminants is not None:
            hits = contaminants.hits(flat, hashes, edges)
            seen.contaminated.update({int(ids[i]): hit for i, hit in hits.items()})
    return seen


def _duplicates(seen: _TextsInUse, bound: float) -> Figure:
    hashes = np.concatenate([*seen.hashes, np.zeros(0, np.uint64)])
    repeats = len(hashes) - len(np.unique(hashes))
    return Figure.at_most(
        "duplicate segments", repeats / max(len(hashes), 1), bound,
        f"{repeats:,} of {len(hashes):,} segments in use have the same words as another",
        "enable `corpus.near_duplicates`, or raise `audit.duplicate_rate` if the corpus is meant to repeat itself",
    )  # fmt: skip


def _contamination(store: SegmentStore, seen: _TextsInUse, contaminants: Contaminants) -> Figure:
    detail = f"no {contaminants.n}-gram or whole shorter text of {len(contaminants.names):,} evaluation items"
    if seen.contaminated:
        segment, hit = min(seen.contaminated.items())
        source, key = (store.documents[name][int(store.document[segment])].as_py() for name in ("source", "key"))
        detail = f'the first in segment {segment} ({source}, {key}): "{hit.ngram}", as in {hit.item}'
    return Figure.at_most(
        "evaluation text in use", len(seen.contaminated), 0, detail,
        REBUILD_SCREENING,
    )  # fmt: skip


def _shared_documents(store: SegmentStore, used: npt.NDArray[np.bool_], rule: Decontamination) -> Figure:
    """Compare the documents in use with those of the folders that the dataset is kept apart from."""
    name = "documents of other folders in use"
    try:
        known = KnownDocuments.of(excluded_texts(rule))
    except CorpusError as error:
        return Figure(name, 1, 0, False, f"the folders cannot be read: {error}")
    documents = np.unique(store.document[used]).tolist()
    shared = [number for number in documents if known.find(store.texts(store.segments_of(number)))]
    detail = f"none of {len(documents):,} documents is one of {len(known.keys):,} in {len(known.names):,} folders"
    if shared:
        detail = f"the first is {store.documents['key'][shared[0]].as_py()}"
    return Figure.at_most(name, len(shared), 0, detail, REBUILD_SCREENING)

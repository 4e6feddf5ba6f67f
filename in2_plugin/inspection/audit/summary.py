"""What the page of an audit draws: counts by depth and length, histograms, parts, screening, what it was built from.

Invariant: plain numbers and texts, so that audit.json holds all of it, and the same bytes for the same dataset.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from in2_plugin.config import PARTS, BuildConfig
from in2_plugin.corpus.screening.screen import screening_facts
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.inspection.audit.positions import buckets_of, gathered
from in2_plugin.inspection.audit.tally import Tally

TENTHS = 10
BARS = 20


def summary(found: Tally, config: BuildConfig, store: SegmentStore) -> dict[str, Any]:
    """The data of one dataset.

    Raises:
        DatasetError: it was not screened.
    """
    golds, buckets = gathered(found.golds), buckets_of(config)
    lengths = np.concatenate([*found.lengths, np.zeros(0, np.int64)])
    edges = np.array([low for low, _ in buckets] + [config.lengths.max + 1])
    bucket = np.searchsorted(edges, golds.n_tokens, side="right") - 1
    inside = (bucket >= 0) & (bucket < len(buckets))
    tenth = np.minimum((golds.depth * TENTHS).astype(int), TENTHS - 1)
    heat = np.bincount((bucket * TENTHS + tenth)[inside], minlength=len(buckets) * TENTHS).reshape(-1, TENTHS)
    asked = config.mixture.counts()
    return {
        "examples": found.examples,
        "depth_by_length": {"lengths": [list(bucket) for bucket in buckets], "counts": heat.tolist()},
        "depth": _histogram(golds.depth, np.linspace(0, 1, BARS + 1).round(12)),
        "length": _histogram(lengths, np.linspace(config.lengths.min, config.lengths.max + 1, BARS + 1)),
        "answer_tokens": _doubling(np.concatenate([*found.answer_tokens, np.zeros(0, np.uint32)])),
        "parts": [{"part": part, "have": found.parts[part], "asked": asked[part]} for part in PARTS],
        "segments": {"all": len(store), "in_use": int(found.used.sum())},
        "screening": asdict(screening_facts(store.folder)),
        "positions": config.positions.strategy,
        "histogram": list(config.positions.histogram),
        "questions_per_context": config.questions_per_context,
        "tokenizer": store.facts.tokenizer,
        "joining": str(store.facts.joining),
        "writer": config.questions.writer,
    }


def _histogram(values: Any, edges: Any) -> dict[str, list[float]]:
    counts, edges = np.histogram(values, edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _doubling(values: Any) -> dict[str, list[float]]:
    """Counts in ranges of which each is twice as wide as the one before; the longest answers are hundreds of tokens."""
    top = int(max(values, default=1)).bit_length()
    return _histogram(values, 2 ** np.arange(top + 1))

"""Summarise a dataset for the audit page: counts by depth and length, histograms, parts, screening, settings.

Invariant: the summary contains plain numbers and texts, so audit.json can store it; the same dataset gives the same
bytes.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from in2_plugin.config import BuildConfig
from in2_plugin.corpus.screening.screen import screening_facts
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.inspection.audit.positions import buckets_of, concatenated
from in2_plugin.inspection.audit.statistics import MIDDLE, Ints, shares_inside
from in2_plugin.inspection.audit.tally import Golds, Tally
from in2_plugin.questions.form_counts import form_counts

TENTHS = 10
BARS = 20
FEW_SEGMENTS = 10
"""A context with fewer segments than this cannot have a gold in every tenth of the depths."""


def summary(found: Tally, config: BuildConfig, store: SegmentStore) -> dict[str, Any]:
    """Return the `data` section of audit.json.

    Raises:
        DatasetError: the dataset was not screened.
    """
    golds, buckets = concatenated(found.golds), buckets_of(config.lengths)
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
        "middle_fifth": _middle_fifth(golds),
        "segments_per_context": _segments(np.concatenate([*found.segments, np.zeros(0, np.int64)])),
        "depth": _histogram(golds.depth, np.linspace(0, 1, BARS + 1).round(12)),
        "length": _histogram(lengths, np.linspace(config.lengths.min, config.lengths.max + 1, BARS + 1)),
        "answer_tokens": _doubling(np.concatenate([*found.answer_tokens, np.zeros(0, np.uint32)])),
        "parts": [{"part": part, "have": found.parts[part], "asked": asked[part]} for part in config.mixture.parts],
        "forms": form_counts(found.forms, config.questions),
        "segments": {"all": len(store), "in_use": int(found.used.sum())},
        "screening": asdict(screening_facts(store.folder)),
        "positions": config.positions.strategy,
        "histogram": list(config.positions.histogram),
        "questions_per_context": config.questions_per_context,
        "tokenizer": store.facts.tokenizer,
        "joining": str(store.facts.joining),
        "writer": config.questions.writer,
    }


def _middle_fifth(golds: Golds) -> float | None:
    """Return the share of golds in the middle fifth of the intended distribution; None without golds."""
    return float(shares_inside(golds.low, golds.high, *MIDDLE).mean()) if len(golds.low) else None


def _segments(counts: Ints) -> dict[str, float] | None:
    """Return figures of the number of segments per long context; None without long contexts."""
    if not len(counts):
        return None
    return {
        "contexts": len(counts), "single": int((counts < 2).sum()), "few": int((counts < FEW_SEGMENTS).sum()),
        "least": int(counts.min()), "median": float(np.median(counts)), "most": int(counts.max()),
    }  # fmt: skip


def _histogram(values: Any, edges: Any) -> dict[str, list[float]]:
    counts, edges = np.histogram(values, edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _doubling(values: Any) -> dict[str, list[float]]:
    """Count values in ranges that double in width, because answer lengths span three orders of magnitude."""
    top = int(max(values, default=1)).bit_length()
    return _histogram(values, 2 ** np.arange(top + 1))

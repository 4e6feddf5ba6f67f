"""Compute figures of positions: depths of golds per length bucket, distances between golds, lengths of examples.

The depth of a gold is its place among the segments of its context, as a share of them. Places are compared with the
intended distribution (`positions`) as quantiles, see `places.py`. Invariant: equal places and lengths give equal
figures. Cost: sorting them.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from in2_plugin.config import PARTS, BuildConfig, Lengths
from in2_plugin.examples.positions import LENGTH_BUCKETS
from in2_plugin.inspection.audit.statistics import (
    ALPHA,
    ALPHA_ALL,
    BINS,
    MIDDLE,
    Floats,
    chi_square,
    fixed_points,
    ks_distance,
    max_chi_square,
    max_dealt_error,
    max_ks_distance,
    max_share_error,
    shares_inside,
)
from in2_plugin.inspection.audit.tally import LONG, Golds, Tally
from in2_plugin.inspection.figures import Figure
from in2_plugin.inspection.report import REBUILD_EXAMPLES

BUCKETS = 8
MIN_GOLDS = 50
"""A length bucket with fewer golds is merged with the next one."""
Range = tuple[int, int]


def position_figures(found: Tally, config: BuildConfig, segment_tokens: float) -> Iterator[Figure]:
    """Yield figures of depths by length and by kind, distances and lengths.

    Args:
        segment_tokens: tokens of a typical filler.
    """
    golds, tolerance, positions = concatenated(found.golds), config.audit.depth_distance, config.positions
    if n := len(golds.depth):
        intended = "uniform" if len(positions.histogram) == 1 else f"`positions: {positions.strategy}`"
        detail = f"Kolmogorov-Smirnov distance of {n:,} golds from {intended}"
        bound = max_ks_distance(n, tolerance)
        yield Figure.at_most("depth, all", ks_distance(golds.point), bound, detail, _drift(golds.depth))
        # only all golds together are dealt evenly: a part, and a range of lengths, has a random share of each deck
        n_decks = LENGTH_BUCKETS * (1 + int(golds.number.max())) if positions.strategy == "stratified" else 0
        yield _middle_fifth("depth, all", golds, tolerance, ALPHA_ALL, n_decks)
        yield _by_tenths("depth, all", golds, tolerance)
        for name, some in _groups(golds, config.lengths):
            yield _middle_fifth(name, some, tolerance, ALPHA)
            yield _by_tenths(name, some, tolerance)
    yield from _distances(found, tolerance)
    yield from _lengths(found, config.lengths, config.audit.length_distance, segment_tokens)


def _groups(golds: Golds, lengths: Lengths) -> Iterator[tuple[str, Golds]]:
    """Yield the golds by length of their example and by part, unless all are in one group."""
    buckets = merged_buckets(golds, lengths)
    for low, high in buckets if len(buckets) > 1 else []:
        inside = (golds.n_tokens >= low) & (golds.n_tokens <= high)
        yield f"depth, {low:,}-{high:,} tokens", selected(golds, inside)
    kinds = [kind for kind in LONG if (golds.kind == kind).any()]
    for kind in kinds if len(kinds) > 1 else []:
        yield f"depth, {PARTS[kind].replace('_', '-')}", selected(golds, golds.kind == kind)


def concatenated(golds: Sequence[Golds]) -> Golds:
    """Concatenate golds."""
    none = np.zeros(0)
    return Golds(*(np.concatenate([none, *(getattr(g, name) for g in golds)]) for name in Golds.__slots__))


def selected(golds: Golds, where: npt.NDArray[np.bool_]) -> Golds:
    """Select golds by a mask."""
    return Golds(*(getattr(golds, name)[where] for name in Golds.__slots__))


def buckets_of(lengths: Lengths) -> list[Range]:
    """Return up to BUCKETS equal ranges of example lengths, both ends included."""
    low, high = lengths.min, lengths.max
    edges = np.unique(np.linspace(low, high + 1, BUCKETS + 1).round().astype(int)).tolist()
    return [(start, stop - 1) for start, stop in pairwise(edges)]


def merged_buckets(golds: Golds, lengths: Lengths) -> list[Range]:
    """Return length buckets with at least MIN_GOLDS golds each; neighbours with fewer are merged."""
    merged: list[Range] = []
    start, count = None, 0
    for low, high in buckets_of(lengths):
        start = low if start is None else start
        count += int(((golds.n_tokens >= low) & (golds.n_tokens <= high)).sum())
        if count >= MIN_GOLDS:
            merged.append((start, high))
            start, count = None, 0
    if start is not None and merged:  # the remaining golds go to the last bucket
        merged[-1] = (merged[-1][0], lengths.max)
    return merged or [(lengths.min, lengths.max)]


def _by_tenths(name: str, golds: Golds, tolerance: float) -> Figure:
    """Compare the golds with an even distribution over ten ranges of quantiles."""
    detail = f"chi-square of {len(golds.point):,} golds in {BINS} equally likely ranges"
    value, bound = chi_square(golds.point), max_chi_square(len(golds.point), tolerance)
    return Figure.at_most(f"{name}, by tenths", value, bound, detail, _drift(golds.depth))


def _middle_fifth(name: str, golds: Golds, tolerance: float, alpha: float, n_decks: int = 0) -> Figure:
    """Compare the share of golds in the middle fifth of quantiles with a fifth.

    Args:
        n_decks: decks from which all these golds were dealt; 0 if they are random.
    """
    n, (start, stop) = len(golds.low), MIDDLE
    found = float(shares_inside(golds.low, golds.high, start, stop).mean())
    chance = max_share_error(n, stop - start, alpha)
    if n_decks:
        chance = min(chance, max_dealt_error(golds.n_segments - golds.number, n_decks, start, stop, alpha))
    detail = f"{found:.1%} of {n:,} golds in the middle fifth of their distribution, {stop - start:.0%} intended"
    return Figure.at_most(
        f"{name}, middle fifth", abs(found - (stop - start)), tolerance + chance, detail, _drift(golds.depth)
    )


def _drift(depths: Floats) -> str:
    counts, edges = np.histogram(depths, bins=10, range=(0, 1))
    most, least = int(counts.argmax()), int(counts.argmin())
    return (
        f"{counts[most] / len(depths):.0%} are at depth {edges[most]:.0%}-{edges[most + 1]:.0%} and "
        f"{counts[least] / len(depths):.0%} at {edges[least]:.0%}-{edges[least + 1]:.0%}; segments are not where "
        f"`positions` places them; {REBUILD_EXAMPLES}"
    )


def _distances(found: Tally, tolerance: float) -> Iterator[Figure]:
    distances = np.concatenate([*found.distances, np.zeros(0)])
    if len(distances):
        yield Figure.at_most(
            "distance between two golds",
            ks_distance(2 * distances - distances**2),  # of two independent points
            max_ks_distance(len(distances), tolerance),
            f"Kolmogorov-Smirnov distance of {len(distances):,} pairs from independent places",
            f"the golds of a question are too close together or too far apart; {REBUILD_EXAMPLES}",
        )


def _lengths(found: Tally, bounds: Lengths, tolerance: float, segment_tokens: float) -> Iterator[Figure]:
    """Lengths are uniform up to `lengths.max`, from `lengths.min` or, if more, the tokens of a row without fillers."""
    lengths, bare = (np.concatenate([*arrays, np.zeros(0, np.int64)]) for arrays in (found.lengths, found.bare))
    inside = (lengths >= bounds.min) & (lengths <= bounds.max)
    lengths, bare = lengths[inside], bare[inside]
    if not len(lengths):
        return
    low = np.maximum(bare, bounds.min)
    room = bounds.max + 1 - low
    points = fixed_points(np.arange(len(lengths), dtype=np.uint64))
    shares = np.clip((lengths - low + points) / room, 0, 1)
    # a row whose own segments nearly reach lengths.min has no filler until a whole one fits
    full = bare > bounds.min - 2 * segment_tokens
    uneven = float(np.where(full, np.minimum(1, segment_tokens / room), 0).mean())
    bound = max_ks_distance(len(lengths), tolerance + uneven)
    tenths, edges = np.histogram(lengths, bins=10, range=(bounds.min, bounds.max + 1))
    most = int(tenths.argmax())
    yield Figure.at_most(
        "length", ks_distance(shares), bound,
        f"Kolmogorov-Smirnov distance of {len(lengths):,} long examples from uniform",
        f"{tenths[most] / len(lengths):.0%} have {edges[most]:,.0f} to {edges[most + 1]:,.0f} tokens; rows were lost "
        f"or changed; {REBUILD_EXAMPLES}",
    )  # fmt: skip

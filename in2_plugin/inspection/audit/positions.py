"""Compute figures of positions: depths of golds per length bucket, distances between golds, lengths of examples.

The depth of a gold is a point inside it, as a share of the context. Depths are compared with the intended distribution
(`positions`). The tolerance is the bound of the build file plus the resolution of contexts with few segments, see
`grain`. Invariant: equal depths and lengths give equal figures. Cost: sorting them.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from in2_plugin.config import PARTS, BuildConfig, Lengths, Positions
from in2_plugin.inspection.audit.statistics import (
    BINS,
    Floats,
    chi_square,
    distance_shares,
    fixed_points,
    ks_distance,
    max_chi_square,
    max_ks_distance,
    shares_below,
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
    golds, tolerance = concatenated(found.golds), config.audit.depth_distance
    if len(golds.depth):
        yield from _depths("depth, all", golds, config.positions, tolerance)
        buckets = merged_buckets(golds, config.lengths)
        for low, high in buckets if len(buckets) > 1 else []:
            inside = (golds.n_tokens >= low) & (golds.n_tokens <= high)
            name = f"depth, {low:,}-{high:,} tokens"
            yield from _depths(name, selected(golds, inside), config.positions, tolerance)
        kinds = [place for place in LONG if (golds.kind == place).any()]
        for place in kinds if len(kinds) > 1 else []:
            name = f"depth, {PARTS[place].replace('_', '-')}"
            yield from _depths(name, selected(golds, golds.kind == place), config.positions, tolerance)
    yield from _distances(found, config.positions.histogram, tolerance)
    yield from _lengths(found, config.lengths, config.audit.length_distance, segment_tokens)


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


def grain(golds: Golds, histogram: Sequence[float]) -> float:
    """Return the largest distance between depths and a histogram that whole segments cause.

    A gold takes one of n places. For uniform depths all places are equally likely, and the remaining distance comes
    from golds longer or shorter than other segments: a gold of share s covers s instead of 1/n, which moves the
    distribution function by at most s - 1/n. Where a histogram jumps, the segment across the jump spreads the density
    of one side over both, by a quarter of its share at the highest density. Segments of other lengths blur the jump
    further; half a share covers both effects.
    """
    uneven = abs(float((golds.share - golds.grain).mean()))
    is_uniform = min(histogram) == max(histogram)
    return uneven if is_uniform else uneven + densest(histogram) * float(golds.grain.mean()) / 2


def densest(histogram: Sequence[float]) -> float:
    """Return the highest density of a histogram over [0, 1); 1 if it is uniform."""
    return max(histogram) * len(histogram) / sum(histogram)


def _depths(name: str, golds: Golds, positions: Positions, tolerance: float) -> Iterator[Figure]:
    histogram, n = positions.histogram, len(golds.depth)
    shares = shares_below(histogram, golds.depth)
    tolerance += grain(golds, histogram)
    intended = "uniform" if len(histogram) == 1 else f"`positions: {positions.strategy}`"
    detail = f"Kolmogorov-Smirnov distance of {n:,} golds from {intended}"
    value, bound = ks_distance(shares), max_ks_distance(n, tolerance)
    if bound >= 1:
        detail += "; too few golds or too short contexts for a verdict"
    yield Figure.at_most(name, value, bound, detail, _drift(golds.depth))
    by_tenths = f"chi-square of {n:,} golds in {BINS} equally likely ranges"
    yield Figure.at_most(
        f"{name}, by tenths", chi_square(shares), max_chi_square(n, tolerance), by_tenths, _drift(golds.depth)
    )


def _drift(depths: Floats) -> str:
    counts, edges = np.histogram(depths, bins=10, range=(0, 1))
    most, least = int(counts.argmax()), int(counts.argmin())
    return (
        f"{counts[most] / len(depths):.0%} are at depth {edges[most]:.0%}-{edges[most + 1]:.0%} and "
        f"{counts[least] / len(depths):.0%} at {edges[least]:.0%}-{edges[least + 1]:.0%}; segments are not where "
        f"`positions` places them; {REBUILD_EXAMPLES}"
    )


def _distances(found: Tally, histogram: Sequence[float], tolerance: float) -> Iterator[Figure]:
    distances = np.concatenate([*found.distances, np.zeros(0)])
    if not len(distances):
        return
    # two golds never share a place, so the closest pairs are missing
    apart = densest(histogram) * float(np.concatenate(found.distance_grains).mean())
    value = ks_distance(distance_shares(histogram, distances))
    bound = max_ks_distance(len(distances), tolerance + apart)
    yield Figure.at_most(
        "distance between two golds", value, bound,
        f"Kolmogorov-Smirnov distance of {len(distances):,} pairs from independent depths",
        f"the golds of a question are too close together or too far apart; {REBUILD_EXAMPLES}",
    )  # fmt: skip


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

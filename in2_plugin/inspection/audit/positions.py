"""Figures of places: depths of golds in every length bucket, distances between them, lengths of examples.

A gold's depth is a point in it as a share of the context, held against the intended distribution
(`positions`). The tolerance is the bound of the build file, widened by what contexts of few segments cannot give:
see `grain`. Invariant: equal depths and lengths give equal figures. Cost: sorting them.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from in2_plugin.config import PARTS, BuildConfig
from in2_plugin.inspection.audit.columns import REPAIR
from in2_plugin.inspection.audit.statistics import (
    BINS,
    Floats,
    chi_square,
    distance_from_uniform,
    distance_shares,
    fixed_points,
    largest_chi_square,
    largest_distance,
    shares_below,
)
from in2_plugin.inspection.audit.tally import LONG, Golds, Tally
from in2_plugin.inspection.figures import Figure

BUCKETS = 8
FEWEST = 50
"""Golds of a length bucket; one with fewer is judged together with the next."""
Range = tuple[int, int]


def position_figures(found: Tally, config: BuildConfig, segment_tokens: float) -> Iterator[Figure]:
    """Depths by length and by kind, distances, lengths.

    Args:
        segment_tokens: tokens of a usual filler.
    """
    golds = gathered(found.golds)
    if len(golds.depth):
        yield from _depths("depth, all", golds, config)
        buckets = pooled(golds, config)
        for low, high in buckets if len(buckets) > 1 else []:
            inside = (golds.n_tokens >= low) & (golds.n_tokens <= high)
            yield from _depths(f"depth, {low:,}-{high:,} tokens", chosen(golds, inside), config)
        kinds = [place for place in LONG if (golds.kind == place).any()]
        for place in kinds if len(kinds) > 1 else []:
            yield from _depths(f"depth, {PARTS[place].replace('_', '-')}", chosen(golds, golds.kind == place), config)
    yield from _distances(found, config)
    yield from _lengths(found, config, segment_tokens)


def gathered(golds: Sequence[Golds]) -> Golds:
    """All golds as one."""
    none = np.zeros(0)
    return Golds(*(np.concatenate([none, *(getattr(g, name) for g in golds)]) for name in Golds.__slots__))


def chosen(golds: Golds, where: npt.NDArray[np.bool_]) -> Golds:
    """Some of the golds."""
    return Golds(*(getattr(golds, name)[where] for name in Golds.__slots__))


def buckets_of(config: BuildConfig) -> list[Range]:
    """Equal ranges of example lengths, both ends included; fewer than BUCKETS when there are fewer lengths."""
    low, high = config.lengths.min, config.lengths.max
    edges = np.unique(np.linspace(low, high + 1, BUCKETS + 1).round().astype(int)).tolist()
    return [(start, stop - 1) for start, stop in pairwise(edges)]


def pooled(golds: Golds, config: BuildConfig) -> list[Range]:
    """Length buckets with FEWEST golds at least, neighbours put together where there are fewer."""
    pools: list[Range] = []
    start, count = None, 0
    for low, high in buckets_of(config):
        start = low if start is None else start
        count += int(((golds.n_tokens >= low) & (golds.n_tokens <= high)).sum())
        if count >= FEWEST:
            pools.append((start, high))
            start, count = None, 0
    if start is not None and pools:  # the rest goes to the last one
        pools[-1] = (pools[-1][0], config.lengths.max)
    return pools or [(config.lengths.min, config.lengths.max)]


def grain(golds: Golds, histogram: Sequence[float]) -> float:
    """How far depths may be from a histogram because a context has whole segments.

    A gold is put at one of n places. For uniform depths every place is meant to be equally likely, and what is left is
    that golds are longer or shorter than other segments: a gold of share s covers s instead of 1/n, which moves the
    distribution function by s - 1/n at most. Where a histogram jumps, the place across the jump spreads what is meant
    for one side over both, by a quarter of its share at the highest density; segments of other lengths blur the jump
    further, and half a share covers both.
    """
    uneven = abs(float((golds.share - golds.grain).mean()))
    is_uniform = min(histogram) == max(histogram)
    return uneven if is_uniform else uneven + densest(histogram) * float(golds.grain.mean()) / 2


def densest(histogram: Sequence[float]) -> float:
    """The highest density of a histogram over [0, 1); 1 of a uniform one."""
    return max(histogram) * len(histogram) / sum(histogram)


def _depths(name: str, golds: Golds, config: BuildConfig) -> Iterator[Figure]:
    histogram, n = config.positions.histogram, len(golds.depth)
    shares = shares_below(histogram, golds.depth)
    tolerance = config.audit.depth_distance + grain(golds, histogram)
    intended = "uniform" if len(histogram) == 1 else f"`positions: {config.positions.strategy}`"
    detail = f"Kolmogorov-Smirnov distance of {n:,} golds from {intended}"
    value, bound = distance_from_uniform(shares), largest_distance(n, tolerance)
    if bound >= 1:
        detail += "; too few golds or too short contexts to tell"
    yield Figure.at_most(name, value, bound, detail, _drift(golds.depth))
    dents = f"chi-square of {n:,} golds in {BINS} equally likely ranges"
    yield Figure.at_most(
        f"{name}, by tenths", chi_square(shares), largest_chi_square(n, tolerance), dents, _drift(golds.depth)
    )


def _drift(depths: Floats) -> str:
    counts, edges = np.histogram(depths, bins=10, range=(0, 1))
    most, least = int(counts.argmax()), int(counts.argmin())
    return (
        f"{counts[most] / len(depths):.0%} stand at depth {edges[most]:.0%}-{edges[most + 1]:.0%} and "
        f"{counts[least] / len(depths):.0%} at {edges[least]:.0%}-{edges[least + 1]:.0%}; segments do not stand where "
        f"`positions` puts them, so {REPAIR}"
    )


def _distances(found: Tally, config: BuildConfig) -> Iterator[Figure]:
    distances = np.concatenate([*found.distances, np.zeros(0)])
    if not len(distances):
        return
    histogram = config.positions.histogram
    # two golds never share a place: of the closest pairs, those that would are missing
    apart = densest(histogram) * float(np.concatenate(found.distance_grains).mean())
    value = distance_from_uniform(distance_shares(histogram, distances))
    bound = largest_distance(len(distances), config.audit.depth_distance + apart)
    yield Figure.at_most(
        "distance between two golds", value, bound,
        f"Kolmogorov-Smirnov distance of {len(distances):,} pairs from independent depths",
        f"the golds of a question stand too close together or too far apart; {REPAIR}",
    )  # fmt: skip


def _lengths(found: Tally, config: BuildConfig, segment_tokens: float) -> Iterator[Figure]:
    """Lengths are meant to be uniform between the most of `lengths.min` and a row's own segments, and `lengths.max`."""
    lengths, bare = (np.concatenate([*arrays, np.zeros(0, np.int64)]) for arrays in (found.lengths, found.bare))
    inside = (lengths >= config.lengths.min) & (lengths <= config.lengths.max)
    lengths, bare = lengths[inside], bare[inside]
    if not len(lengths):
        return
    low = np.maximum(bare, config.lengths.min)
    room = config.lengths.max + 1 - low
    points = fixed_points(np.arange(len(lengths), dtype=np.uint64))
    shares = np.clip((lengths - low + points) / room, 0, 1)
    # a row whose own segments nearly reach lengths.min or more has no filler until a whole one fits
    full = bare > config.lengths.min - 2 * segment_tokens
    uneven = float(np.where(full, np.minimum(1, segment_tokens / room), 0).mean())
    bound = largest_distance(len(lengths), config.audit.length_distance + uneven)
    tenths, edges = np.histogram(lengths, bins=10, range=(config.lengths.min, config.lengths.max + 1))
    most = int(tenths.argmax())
    yield Figure.at_most(
        "length", distance_from_uniform(shares), bound,
        f"Kolmogorov-Smirnov distance of {len(lengths):,} long examples from uniform",
        f"{tenths[most] / len(lengths):.0%} have {edges[most]:,.0f} to {edges[most + 1]:,.0f} tokens; rows were lost "
        f"or changed, so {REPAIR}",
    )  # fmt: skip

"""Compute the Gap that chance alone gives under a binomial flat model, for results without scores of single questions.

A Gap is a maximum minus a minimum, so it is above zero for any finite number of rows even when every position is
equally easy. Where the scores are known, `probing/statistics.py` shuffles them instead, which is exact.
Cost: 20,000 draws of 16 binomials, about 30 ms. Same generator state, same result.
"""

from collections.abc import Sequence

import numpy as np

from in2_plugin.probing.scoring.statistics import FlatGap

DRAWS = 20_000


def rows_per_span(rows: int, spans: int) -> tuple[int, ...]:
    """Share `rows` out as evenly as they go, the first spans getting the rest; needs rows >= spans >= 1."""
    if not 1 <= spans <= rows:
        raise ValueError(f"{rows} rows cannot fill {spans} spans")
    each, rest = divmod(rows, spans)
    return tuple(each + (span < rest) for span in range(spans))


def binomial_flat_gap(average: float, gap: float, counts: Sequence[int], rng: np.random.Generator) -> FlatGap:
    """Simulate the Gap at a flat `average` in [0, 1] with `counts[i]` binary rows in span i.

    For a graded score, such as the word recall of the document probe, this is an upper bound: among scores
    between 0 and 1 with a given mean, the binary one has the largest variance.

    Args:
        gap: the measured one, for its p-value.
    """
    n = np.asarray(counts)
    scores = rng.binomial(n, average, size=(DRAWS, n.size)) / n
    gaps = scores.max(axis=1) - scores.min(axis=1)
    at_least = int((gaps >= gap - 1e-9).sum())
    return FlatGap(float(gaps.mean()), float(np.percentile(gaps, 95)), at_least, DRAWS)

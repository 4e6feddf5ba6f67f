"""How large a Gap chance alone gives: the flat model.

A Gap is a maximum minus a minimum, so it is above zero for any finite number of rows even when every position is
equally easy. The flat model answers each row correctly with the same probability; its Gap is simulated.
Cost: 20,000 draws of 16 binomials, about 30 ms. Same generator state, same result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 20_000
SEED = 240_416_811


@dataclass(frozen=True, slots=True)
class FlatGap:
    """Gap of a model without position effect, as fractions of one."""

    expected: float
    percentile_95: float


def rows_per_span(rows: int, spans: int) -> tuple[int, ...]:
    """Share `rows` out as evenly as they go, the first spans getting the rest; needs rows >= spans >= 1."""
    if not 1 <= spans <= rows:
        raise ValueError(f"{rows} rows cannot fill {spans} spans")
    each, rest = divmod(rows, spans)
    return tuple(each + (span < rest) for span in range(spans))


def flat_gap(average: float, counts: Sequence[int], rng: np.random.Generator) -> FlatGap:
    """Simulate the Gap at a flat `average` in [0, 1] with `counts[i]` binary rows in span i.

    For a graded score, such as the word recall of the document probe, this is an upper bound: among scores
    between 0 and 1 with a given mean, the binary one has the largest variance.
    """
    n = np.asarray(counts)
    scores = rng.binomial(n, average, size=(DRAWS, n.size)) / n
    gaps = scores.max(axis=1) - scores.min(axis=1)
    return FlatGap(float(gaps.mean()), float(np.percentile(gaps, 95)))

"""Place the labels of lines so that none covers another: pure arithmetic, no drawing.

Labels form one column next to the plot, each ideally at the end of its line. The result keeps their order and moves
them as little as possible (least squares, by pooling neighbours that would overlap).
"""

import re
from collections.abc import Sequence

LABEL_WIDTH = 14
"""Characters per line of a label: what fits next to a plot in its font."""

LABEL_LENGTH = 3 * LABEL_WIDTH
"""Most characters of a label. Names of checkpoints differ at their ends, so longer ones lose their middle."""


def wrap_label(text: str) -> str:
    """Break a label into lines after hyphens, slashes and spaces, with an ellipsis in its middle if too long."""
    if len(text) > LABEL_LENGTH:
        kept = (LABEL_LENGTH - 1) // 2
        text = f"{text[:kept]}…{text[-kept:]}"
    lines = [""]
    for piece in _pieces(text):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > LABEL_WIDTH:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _pieces(text: str) -> list[str]:
    """Parts between which a line may end, none wider than a line."""
    parts = re.findall(r"[^-_/…\s]*[-_/…\s]+|[^-_/…\s]+", text)
    return [part[i : i + LABEL_WIDTH] for part in parts for i in range(0, len(part), LABEL_WIDTH)]


def spread(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Centres near `wanted` at which intervals of `heights` do not overlap, inside [low, high] if they fit."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    offsets, total = {}, 0.0
    for i in order:
        offsets[i] = total + heights[i] / 2
        total += heights[i]
    # after subtracting the heights of the labels below, "no overlap" means "not decreasing": isotonic regression
    pools: list[list[float]] = []
    for i in order:
        pools.append([wanted[i] - offsets[i], 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            value, count = pools.pop()
            pools[-1] = [(pools[-1][0] * pools[-1][1] + value * count) / (pools[-1][1] + count), pools[-1][1] + count]
    bases = [value for value, count in pools for _ in range(int(count))]
    ceiling = max(low, high - total)
    centres = [0.0] * len(wanted)
    for i, base in zip(order, bases, strict=True):
        centres[i] = min(max(base, low), ceiling) + offsets[i]
    return centres

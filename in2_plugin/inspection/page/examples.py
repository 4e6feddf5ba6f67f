"""Examples of a dataset for its page: questions, answers, and the text around each gold.

Invariant: what is shown of a gold is its whole text; of its neighbours the nearest words, and of the rest its number.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from in2_plugin.config import PARTS
from in2_plugin.corpus.store import SegmentStore

SHOWN = 12
AROUND = 160
"""Characters shown of a segment beside a gold."""
SAID = 2_000
"""Characters shown of a turn or a gold, at most; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a context as it is shown."""

    text: str
    is_gold: bool = False
    depth: float | None = None
    """Where the middle of a gold stands, as a share of the context."""


@dataclass(frozen=True, slots=True)
class ShownExample:
    """One example of a page."""

    part: str
    n_tokens: int
    n_segments: int
    turns: tuple[tuple[str, str], ...]
    """(question, answer)"""
    depths: tuple[float, ...]
    """Of all golds, in reading order."""
    pieces: tuple[Piece, ...]


def shown_examples(rows: Sequence[Mapping[str, Any]], store: SegmentStore) -> list[ShownExample]:
    """About SHOWN of the rows, of every part as many, evenly spread."""
    of_part = {part: [row for row in rows if row["part"] == part] for part in PARTS}
    there = [part for part in PARTS if of_part[part]]
    chosen = []
    for part in there:
        number = min(len(of_part[part]), SHOWN // len(there))
        chosen += [of_part[part][i * len(of_part[part]) // number] for i in range(number)]
    return [_shown(row, store) for row in chosen]


def _shown(row: Mapping[str, Any], store: SegmentStore) -> ShownExample:
    ids = row["segment_ids"]
    tokens = store.n_tokens[ids].astype(np.int64)
    middles = (np.cumsum(tokens) - tokens / 2) / max(1, tokens.sum())
    golds = {span["segment_id"] for turn in row["turns"] for span in turn["gold"]}
    depths = {i: float(middles[i]) for i, segment in enumerate(ids) if segment in golds}
    turns = tuple((shortened(turn["question"]), shortened(turn["answer"])) for turn in row["turns"])
    pieces = tuple(_pieces(ids, depths, store))
    return ShownExample(row["part"], row["n_tokens"], len(ids), turns, tuple(depths.values()), pieces)


def _pieces(ids: Sequence[int], depths: Mapping[int, float], store: SegmentStore) -> Iterator[Piece]:
    """Golds whole, their neighbours at the side that touches them, and how many segments lie between."""

    def sort(i: int) -> str:
        return "gold" if i in depths else "beside" if {i - 1, i + 1} & set(depths) else "far"

    for kind, places in groupby(range(len(ids)), sort):
        run = list(places)
        if kind == "far":
            yield Piece(f"… {len(run):,} segment{'s' if len(run) > 1 else ''} …")
            continue
        for i in run:
            text = store.text(ids[i])
            if i in depths:
                yield Piece(shortened(text), True, depths[i])
            else:
                yield Piece(_near(text, i - 1 in depths, i + 1 in depths))


def _near(text: str, behind_gold: bool, before_gold: bool) -> str:
    if len(text) <= 2 * AROUND:
        return text
    start = text[:AROUND] if behind_gold else ""
    end = text[-AROUND:] if before_gold else ""
    return f"{start} … {end}".strip()


def shortened(text: str) -> str:
    """A text, or its beginning and how much is left out."""
    return text if len(text) <= SAID else f"{text[:SAID]} … ({len(text) - SAID:,} characters more)"

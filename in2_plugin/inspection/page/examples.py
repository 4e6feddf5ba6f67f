"""Select examples for the page of a dataset: questions, answers, and the text around each gold.

The page shows the text of each gold, the adjacent words of its neighbours, and the number of the other segments.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from in2_plugin.config import PARTS
from in2_plugin.corpus.store import SegmentStore

SHOWN = 12
NEIGHBOUR_CHARACTERS = 160
"""Characters shown of a segment next to a gold."""
MAX_CHARACTERS = 2_000
"""Characters shown of a turn or a gold, at most."""


@dataclass(frozen=True, slots=True)
class ShownText:
    """Consecutive text of a context."""

    text: str
    is_gold: bool = False
    depth: float | None = None
    """Middle of the place of a gold among the segments of the context."""


@dataclass(frozen=True, slots=True)
class ShownExample:
    """One example of a page."""

    part: str
    n_tokens: int
    n_segments: int
    turns: tuple[tuple[str, str], ...]
    """(question, answer)"""
    depths: tuple[float, ...]
    """Depths of all golds, in reading order."""
    pieces: tuple[ShownText, ...]


def shown_examples(rows: Sequence[Mapping[str, Any]], store: SegmentStore) -> list[ShownExample]:
    """Return about SHOWN rows, evenly spaced, with the same number from each part."""
    of_part = {part: [row for row in rows if row["part"] == part] for part in PARTS}
    present = [part for part in PARTS if of_part[part]]
    chosen = []
    for part in present:
        number = min(len(of_part[part]), SHOWN // len(present))
        chosen += [of_part[part][i * len(of_part[part]) // number] for i in range(number)]
    return [_shown(row, store) for row in chosen]


def _shown(row: Mapping[str, Any], store: SegmentStore) -> ShownExample:
    ids = row["segment_ids"]
    golds = {span["segment_id"] for turn in row["turns"] for span in turn["gold"]}
    depths = {i: (i + 0.5) / len(ids) for i, segment in enumerate(ids) if segment in golds}
    turns = tuple((shortened(turn["question"]), shortened(turn["answer"])) for turn in row["turns"])
    pieces = tuple(_pieces(ids, depths, store))
    return ShownExample(row["part"], row["n_tokens"], len(ids), turns, tuple(depths.values()), pieces)


def _pieces(ids: Sequence[int], depths: Mapping[int, float], store: SegmentStore) -> Iterator[ShownText]:
    """Yield golds in full, the adjacent end of their neighbours, and the number of segments in between."""

    def kind_of(i: int) -> str:
        return "gold" if i in depths else "neighbour" if {i - 1, i + 1} & set(depths) else "far"

    for kind, places in groupby(range(len(ids)), kind_of):
        run = list(places)
        if kind == "far":
            yield ShownText(f"… {len(run):,} segment{'s' if len(run) > 1 else ''} …")
            continue
        for i in run:
            text = store.text(ids[i])
            if i in depths:
                yield ShownText(shortened(text), True, depths[i])
            else:
                yield ShownText(_near(text, i - 1 in depths, i + 1 in depths))


def _near(text: str, after_gold: bool, before_gold: bool) -> str:
    if len(text) <= 2 * NEIGHBOUR_CHARACTERS:
        return text
    start = text[:NEIGHBOUR_CHARACTERS] if after_gold else ""
    end = text[-NEIGHBOUR_CHARACTERS:] if before_gold else ""
    return f"{start} … {end}".strip()


def shortened(text: str) -> str:
    """Return a text, cut after MAX_CHARACTERS with the number of omitted characters."""
    return (
        text
        if len(text) <= MAX_CHARACTERS
        else f"{text[:MAX_CHARACTERS]} … ({len(text) - MAX_CHARACTERS:,} characters more)"
    )

"""Lay out the contexts of one group of questions: the same fillers in the same order, golds that change places.

Where segments are too long for that, as in contexts of five or six of them, each context has its own order.

In context r, question q has its gold in part (q + r) modulo the number of depths (`latin_square`). An integration
question has its golds a fixed number of parts apart, and these distances are dealt evenly, so that the map of two
depths is filled evenly. Invariant: the middle of every gold is in the part that it is dealt to. Pure functions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from in2_plugin.probing.position.latin_square import latin_square

TRIES = 64
"""Orders of the fillers that are tried until every gold is in its part."""


@dataclass(frozen=True, slots=True)
class PlacedSegment:
    """A segment to place; as a gold, with the depth that its middle should have."""

    id: int
    n_tokens: int
    depth: float = 0.0
    """From 0 to 1."""
    part: int = 0
    """Number of the part that its middle must be in."""


@dataclass(frozen=True, slots=True)
class QuestionGolds:
    """The golds of one question in all contexts of its group."""

    segments: tuple[tuple[int, int], ...]
    """(id, tokens) of each gold, first gold first."""
    apart: int = 0
    """Parts from one gold to the next, counted around the end."""


@dataclass(frozen=True, slots=True)
class ContextLayout:
    """One context."""

    segment_ids: tuple[int, ...]
    """In reading order."""
    parts: tuple[int, ...]
    """Part of the first gold of each question."""
    gold_depths: tuple[tuple[float, ...], ...]
    """Relative depths of the middles of the golds of each question."""


def lay_out(
    questions: Sequence[QuestionGolds], fillers: Sequence[tuple[int, int]], n_depths: int, rng: np.random.Generator
) -> tuple[ContextLayout, ...]:
    """Return the contexts of a group, one per depth; nothing if no order of the fillers puts every gold into its part.

    Args:
        fillers: (id, tokens) of the segments that every context has besides the golds.
    """
    dealt = [_dealt(questions, context, n_depths) for context in latin_square(len(questions), n_depths)]
    orders = [[PlacedSegment(*fillers[i]) for i in rng.permutation(len(fillers))] for _ in range(TRIES)]
    for order in orders:
        if found := _all([_layout(golds, order, n_depths) for golds in dealt]):
            return found
    return _all([next(filter(None, (_layout(golds, one, n_depths) for one in orders)), None) for golds in dealt])


def _all(layouts: Sequence[ContextLayout | None]) -> tuple[ContextLayout, ...]:
    found = tuple(layout for layout in layouts if layout is not None)
    return found if len(found) == len(layouts) else ()


def _dealt(
    questions: Sequence[QuestionGolds], context: Sequence[Sequence[int]], n_depths: int
) -> list[tuple[int, list[PlacedSegment]]]:
    """Return (question, its golds with their depths) for one context of the square, in the order of the questions."""
    slots = max(1, -(-len(questions) // n_depths))
    found = []
    for part, numbers in enumerate(context):
        for number in numbers:
            golds = list(_golds(questions[number], part, number // n_depths, slots, n_depths))
            found.append((number, golds))
    return sorted(found, key=lambda one: one[0])


def _golds(question: QuestionGolds, part: int, slot: int, slots: int, n_depths: int) -> Iterator[PlacedSegment]:
    n = len(question.segments)
    for i, (segment, n_tokens) in enumerate(question.segments):
        own = (part + i * question.apart) % n_depths
        within = (slot + (i + 0.5) / n) / slots
        yield PlacedSegment(segment, n_tokens, (own + within) / n_depths, own)


def _layout(
    golds: Sequence[tuple[int, list[PlacedSegment]]], fillers: Sequence[PlacedSegment], n_depths: int
) -> ContextLayout | None:
    """Place golds among fillers, each where its middle is nearest to its depth; None if one is outside its part."""
    ordered = _merged([gold for _, own in golds for gold in own], fillers)
    total = sum(segment.n_tokens for segment in ordered)
    middles, before = {}, 0
    for segment in ordered:
        middles[segment.id] = (before + segment.n_tokens / 2) / total
        before += segment.n_tokens
    if any(int(middles[gold.id] * n_depths) != gold.part for _, own in golds for gold in own):
        return None
    return ContextLayout(
        tuple(segment.id for segment in ordered),
        tuple(own[0].part for _, own in golds),
        tuple(tuple(round(middles[gold.id], 4) for gold in own) for _, own in golds),
    )


def _merged(golds: Sequence[PlacedSegment], fillers: Sequence[PlacedSegment]) -> list[PlacedSegment]:
    waiting = sorted(golds, key=lambda gold: gold.depth)[::-1]
    total = sum(segment.n_tokens for segment in (*golds, *fillers))
    ordered: list[PlacedSegment] = []
    before = 0

    def add(segment: PlacedSegment) -> None:
        nonlocal before
        ordered.append(segment)
        before += segment.n_tokens

    for filler in fillers:
        while waiting and _is_due(waiting[-1], before, filler, total):
            add(waiting.pop())
        add(filler)
    for gold in waiting[::-1]:
        add(gold)
    return ordered


def _is_due(gold: PlacedSegment, before: int, filler: PlacedSegment, total: int) -> bool:
    """Return True if the gold's middle is nearer to its depth before the next filler than after it."""
    middle = before + gold.n_tokens / 2
    return abs(middle - gold.depth * total) <= abs(middle + filler.n_tokens - gold.depth * total)

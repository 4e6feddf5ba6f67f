"""Lay out the contexts of one group of questions: the same fillers in the same order, golds that change places.

Where segments are too long for that, as in contexts of five or six of them, each context has its own order.

In context r, question q has its gold in part (q + r) modulo the number of depths (`latin_square`). An integration
question has its golds a fixed number of parts apart, and these distances are dealt evenly, so that the map of two
depths is filled evenly. Invariant: the middle of the first gold of every question is in the part that it is dealt to;
of further golds too, wherever the lengths of the segments allow it. Pure functions.
"""

from collections.abc import Iterable, Iterator, Sequence
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
    astray: int
    """Golds outside the part that they are dealt to, none of them the first gold of a question."""


Dealt = list[tuple[int, list[PlacedSegment]]]
"""The questions of one context, in order, with their golds."""


def lay_out(
    questions: Sequence[QuestionGolds],
    fillers: Sequence[tuple[int, int]],
    n_depths: int,
    rng: np.random.Generator,
    *,
    allows_astray: bool = False,
) -> tuple[ContextLayout, ...]:
    """Return the contexts of a group, one per depth; nothing if no order of the fillers puts every gold into its part.

    Args:
        fillers: (id, tokens) of the segments that every context has besides the golds.
        allows_astray: accept contexts in which a gold that is not the first of its question is outside its part.
    """
    dealt = [_dealt(questions, context, n_depths) for context in latin_square(len(questions), n_depths)]
    orders = [[PlacedSegment(*fillers[i]) for i in rng.permutation(len(fillers))] for _ in range(TRIES)]
    for order in orders:
        if found := _all(_best(golds, [order], n_depths, allows_astray) for golds in dealt):
            return found
    return _all(_best(golds, orders, n_depths, allows_astray) for golds in dealt)


def _all(layouts: Iterable[ContextLayout | None]) -> tuple[ContextLayout, ...]:
    """Return all layouts, or none if one is missing."""
    found = []
    for layout in layouts:
        if layout is None:
            return ()
        found.append(layout)
    return tuple(found)


def _best(
    golds: Dealt, orders: Sequence[Sequence[PlacedSegment]], n_depths: int, allows_astray: bool
) -> ContextLayout | None:
    """Return the layout with the fewest golds astray."""
    layouts = (_layout(golds, order, n_depths) for order in orders)
    found = [layout for layout in layouts if layout and (allows_astray or not layout.astray)]
    return min(found, key=lambda layout: layout.astray, default=None)


def _dealt(questions: Sequence[QuestionGolds], context: Sequence[Sequence[int]], n_depths: int) -> Dealt:
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
        # of golds in one part, the first is nearer to the end of the context, where there is the least room
        inside = i if 2 * own < n_depths else n - 1 - i
        within = (slot + (inside + 0.5) / n) / slots
        yield PlacedSegment(segment, n_tokens, (own + within) / n_depths, own)


def _layout(golds: Dealt, fillers: Sequence[PlacedSegment], n_depths: int) -> ContextLayout | None:
    """Place golds among fillers, each where its middle is nearest to its depth.

    Returns None if the first gold of a question is outside its part.
    """
    ordered = _merged([gold for _, own in golds for gold in own], fillers)
    total = sum(segment.n_tokens for segment in ordered)
    middles, before = {}, 0
    for segment in ordered:
        middles[segment.id] = (before + segment.n_tokens / 2) / total
        before += segment.n_tokens
    if any(int(middles[own[0].id] * n_depths) != own[0].part for _, own in golds):
        return None
    return ContextLayout(
        tuple(segment.id for segment in ordered),
        tuple(own[0].part for _, own in golds),
        tuple(tuple(round(middles[gold.id], 4) for gold in own) for _, own in golds),
        sum(int(middles[gold.id] * n_depths) != gold.part for _, own in golds for gold in own),
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

"""Fill a context with text that has nothing to do with the questions, and put needles between its units.

Invariant: units keep their order and their text, so two contexts of one haystack differ in the depths of the needles
alone. Needles are put only between units, next to the depth that is asked for, and no two depths are one place. Finding
how many units fit takes about fifteen counts of a whole prompt.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from in2_plugin.probing.probes.tokens import TokenCounter

_ROOM = 2
"""Units are collected up to this multiple of the budget: counts of single units exceed those of the joined text."""
_BATCH = 1_000
"""Units that are tokenized at a time."""


@dataclass(frozen=True, slots=True)
class Needle:
    """One text to find."""

    depth: int
    """Number of its depth: 0 is before the first unit, the last one after the last unit."""
    text: str


@dataclass(frozen=True, slots=True)
class Haystack:
    """The text around the needles, and the way in which needles are put into it."""

    units: tuple[str, ...]
    """Sentences or lines, in reading order."""
    between: str
    """Text between two units, and after a needle."""
    before_needle: str
    """Text between a unit and a needle."""

    def place(self, needles: Sequence[Needle], n_depths: int) -> tuple[str, tuple[float, ...]]:
        """Return the context, and the relative depth in [0, 1] of the middle of each needle, in the order given."""
        cuts = self.cuts(n_depths)
        context, middles, done = "", [0.0] * len(needles), 0
        for index in sorted(range(len(needles)), key=lambda index: needles[index].depth):
            cut = cuts[needles[index].depth]
            context = self._with_units(context, done, cut)
            context += (self.before_needle if context or cut else "") + needles[index].text
            middles[index] = len(context) - len(needles[index].text) / 2
            done = cut
        context = self._with_units(context, done, len(self.units))
        return context, tuple(middle / len(context) for middle in middles)

    def cuts(self, n_depths: int) -> list[int]:
        """Return the number of units before each depth: evenly spaced, both ends included, as in RULER.

        All differ if there are at least `n_depths - 1` units, however long they are.
        """
        ends = [0, *accumulate(len(unit) + len(self.between) for unit in self.units)]
        cuts = [_nearest(ends, number / (n_depths - 1) * ends[-1]) for number in range(n_depths)]
        for number in range(1, n_depths):
            cuts[number] = max(cuts[number], cuts[number - 1] + 1)
        most = len(self.units) - n_depths + 1
        return [max(0, min(cut, most + number)) for number, cut in enumerate(cuts)]

    def _with_units(self, context: str, start: int, stop: int) -> str:
        """Return the context with some more units; they may be empty lines."""
        text = self.between.join(self.units[start:stop])
        return f"{context}{self.between}{text}" if stop > start and (context or start) else context + text


def collect_units(units: Iterable[str], tokens: TokenCounter, budget: int) -> tuple[str, ...]:
    """Return the first units, more than fit into `budget` tokens; all of them if there are fewer.

    Args:
        units: sentences or lines; may be endless.
        tokens: counts for the tested model.
        budget: tokens of a whole prompt.
    """
    collected: list[str] = []
    total, remaining = 0, iter(units)
    while total <= _ROOM * budget and (batch := list(islice(remaining, _BATCH))):
        total += sum(tokens.each(batch))
        collected += batch
    return tuple(collected)


def how_many_fit(n_units: int, budget: int, measure: Callable[[int], int]) -> int:
    """Return how many of the first units fit; -1 if not even none does.

    Args:
        n_units: units that there are.
        budget: tokens of a whole prompt.
        measure: counts the longest prompt with that many units.
    """
    return bisect_right(range(n_units + 1), budget, key=measure) - 1


def _nearest(ends: Sequence[int], place: float) -> int:
    """Return the number of units before the boundary that is nearest to a character offset."""
    after = min(bisect_right(ends, place), len(ends) - 1)
    return after if after == 0 or ends[after] - place < place - ends[after - 1] else after - 1

"""Represent the result of an audit: figures, each with a bound, and the counts that its page draws.

Invariant: a figure passes if and only if its value is within its bound; a failing figure gives a repair instruction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One number about a dataset, compared with its bound."""

    name: str
    value: float
    bound: float
    passed: bool
    detail: str
    """What was measured; for a failing figure also what is wrong, where, and how to repair it."""

    @classmethod
    def at_most(cls, name: str, value: float, bound: float, detail: str, advice: str = "") -> "Figure":
        """Return a figure that must not exceed its bound; `advice` is shown if it does."""
        return cls._compared(name, value, bound, value <= bound, detail, advice)

    @classmethod
    def at_least(cls, name: str, value: float, bound: float, detail: str, advice: str = "") -> "Figure":
        """Return a figure that must reach its bound; `advice` is shown if it does not."""
        return cls._compared(name, value, bound, value >= bound, detail, advice)

    @classmethod
    def _compared(cls, name: str, value: float, bound: float, passed: bool, detail: str, advice: str) -> "Figure":
        # 12 digits: the last digits of floating-point sums differ between machines
        value, bound = (float(f"{number:.12g}") for number in (value, bound))
        return cls(name, value, bound, passed, detail if passed or not advice else f"{detail}; {advice}")

    def sentence(self) -> str:
        """Return the figure on one line, for an error or the end of a table."""
        return f"{self.name} is {short(self.value)}, bound {short(self.bound)} ({self.detail})"


@dataclass(frozen=True, slots=True)
class Audit:
    """The figures of one dataset in a fixed order, causes before consequences."""

    figures: Sequence[Figure] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    """Data for the page: counts by depth and length, histograms, parts, screening."""

    @property
    def passed(self) -> bool:
        """True if every figure is within its bound."""
        return not self.failing

    @property
    def failing(self) -> list[Figure]:
        """The figures that are out of bounds."""
        return [figure for figure in self.figures if not figure.passed]

    def as_json(self) -> dict[str, Any]:
        """Return the content of audit.json."""
        return {"passed": self.passed, "figures": [asdict(figure) for figure in self.figures], "data": dict(self.data)}


def short(number: float) -> str:
    """Format a number for a reader: integers in full, others to three digits."""
    return f"{number:,.0f}" if number == int(number) else f"{number:.3g}"


@dataclass(slots=True)
class Faults:
    """Count rows with one kind of fault, and remember the first."""

    count: int = 0
    first: int = -1
    what: str = ""

    def add(self, row: int, what: str = "", times: int = 1) -> None:
        """Count a faulty row; only the first one keeps its `what`."""
        if not self.count:
            self.first, self.what = row, what
        self.count += times

    def figure(self, name: str, checked: str, advice: str) -> Figure:
        """Return the count as a figure with bound zero; `checked` describes what was searched."""
        first = f"the first in examples.parquet, row {self.first}{': ' if self.what else ''}{self.what}"
        return Figure.at_most(name, self.count, 0, first if self.count else checked, advice)

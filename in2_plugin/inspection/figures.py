"""What an audit says: figures, each with a bound, and the counts that its page draws.

Invariant: a figure is passed exactly when its value keeps its bound, and a failing one says what to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One number about a dataset, held against its bound."""

    name: str
    value: float
    bound: float
    passed: bool
    detail: str
    """What was looked at; for a failing figure what is wrong, where, and what to do."""

    @classmethod
    def at_most(cls, name: str, value: float, bound: float, detail: str, advice: str = "") -> "Figure":
        """A figure that must not exceed its bound; `advice` is shown when it does."""
        return cls._held(name, value, bound, value <= bound, detail, advice)

    @classmethod
    def at_least(cls, name: str, value: float, bound: float, detail: str, advice: str = "") -> "Figure":
        """A figure that must reach its bound; `advice` is shown when it does not."""
        return cls._held(name, value, bound, value >= bound, detail, advice)

    @classmethod
    def _held(cls, name: str, value: float, bound: float, passed: bool, detail: str, advice: str) -> "Figure":
        # twelve digits: sums of floats may differ in the last ones from machine to machine
        value, bound = (float(f"{number:.12g}") for number in (value, bound))
        return cls(name, value, bound, passed, detail if passed or not advice else f"{detail}; {advice}")

    def sentence(self) -> str:
        """The figure in one line, for an error or the end of a table."""
        return f"{self.name} is {short(self.value)}, bound {short(self.bound)} ({self.detail})"


@dataclass(frozen=True, slots=True)
class Audit:
    """The figures of one dataset, in a fixed order, the causes before their consequences."""

    figures: Sequence[Figure] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the page draws: counts by depth and length, histograms, parts, screening."""

    @property
    def passed(self) -> bool:
        """Whether every figure keeps its bound."""
        return not self.failing

    @property
    def failing(self) -> list[Figure]:
        """The figures that break their bounds."""
        return [figure for figure in self.figures if not figure.passed]

    def as_json(self) -> dict[str, Any]:
        """What audit.json holds."""
        return {"passed": self.passed, "figures": [asdict(figure) for figure in self.figures], "data": dict(self.data)}


def short(number: float) -> str:
    """A number as a person reads it: whole ones whole, others to three digits."""
    return f"{number:,.0f}" if number == int(number) else f"{number:.3g}"


@dataclass(slots=True)
class Faults:
    """Rows that have one fault: how many, and the first."""

    count: int = 0
    first: int = -1
    what: str = ""

    def add(self, row: int, what: str = "", times: int = 1) -> None:
        """Note a faulty row; `what` is kept of the first one."""
        if not self.count:
            self.first, self.what = row, what
        self.count += times

    def figure(self, name: str, looked_at: str, advice: str) -> Figure:
        """Such rows as a figure whose bound is zero."""
        first = f"the first in examples.parquet, row {self.first}{': ' if self.what else ''}{self.what}"
        return Figure.at_most(name, self.count, 0, first if self.count else looked_at, advice)

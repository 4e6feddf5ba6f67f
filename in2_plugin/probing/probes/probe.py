"""The value that describes a VAL probe: its items, its question, its score, and what the paper reports about it.

Pure data and four small methods. `registry.py` holds the probes by name and explains how to add one; `builtin.py`
defines the ones that ship with the package.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a context and what the question about it needs."""

    text: str
    """The item as it appears in the context: one line, or four for a function."""
    query: str
    """The part that the question quotes: eight words, a line of code, or an id."""
    gold: tuple[str, ...]
    """The answer; for an entity its label and its description, either of which counts."""


@dataclass(frozen=True, slots=True)
class PaperBaseline:
    """The score of an answer that needs no reading, measured on the released items."""

    score: float
    """Percent."""
    label: str
    explanation: str


@dataclass(frozen=True, slots=True)
class PaperFacts:
    """The paper's data and results for one probe ("Make Your LLM Fully Utilize the Context", arXiv 2404.16811)."""

    split: str
    """Split of the released dataset, In2Training/VaLProbing-32K."""
    n_positions: int
    """Items per context; each of them is asked for."""
    skipped: frozenset[int]
    """Questions that the published scoring skips, as set * n_positions + position (VaLProbing-32K/*_skip_list.json)."""
    scores: Mapping[str, tuple[float, float]]
    """(Avg, Gap) in percent per model, from Table 1."""
    curves: Mapping[str, tuple[float, ...]]
    """Percent per span, first span first, by the name that reports show."""
    baselines: tuple[PaperBaseline, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """Everything that the package knows about one probe."""

    name: str
    """Lower case with underscores; the lm_eval task is `val_probe_<name>`."""
    title: str
    """Heading in reports."""
    file: str
    """JSON-lines file of the items, with or without `.gz`, in `probing/data` or in the folder `probe_pieces`."""
    spans: int
    """Equal parts of a context that are scored separately; the paper has 50 positions in each."""
    parse_item: Callable[[Mapping[str, Any]], Item | None]
    """Convert a row of the file, or return None for a row to skip; a missing field may raise KeyError."""
    question: str
    """The question, with `{}` for the quoted part."""
    score: Callable[[tuple[str, ...], str], float]
    """Score an answer against the gold texts, from 0 to 1."""
    marker: str = "{}"
    """The quoted part as it appears in a context, with `{}` for it; it must occur exactly once to be asked for."""
    gold_fields: tuple[str, ...] = ()
    """Fields of the gold texts in files of gold rows; one list called `gold` when empty."""
    paper: PaperFacts | None = None
    """None for a probe that the paper does not have. Groups of tasks and the overall mean hold the paper's probes."""

    @property
    def task(self) -> str:
        """Name of the lm_eval task."""
        return f"val_probe_{self.name}"

    def ask(self, item: Item) -> str:
        """Return the question about `item`."""
        return self.question.replace("{}", item.query)

    def marked(self, query: str) -> str:
        """Return the text by which `query` is recognised in a context."""
        return self.marker.replace("{}", query)

    def baselines(self, gold: tuple[str, ...], query: str, other: str) -> tuple[float, float]:
        """Return the scores of two answers that need no reading: `echo`, the quoted part, and `other`, another item."""
        return self.score(gold, query), self.score(gold, other)

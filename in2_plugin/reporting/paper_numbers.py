"""Numbers of the paper that a report shows beside the measured ones.

Every number is a percentage of "Make Your LLM Fully Utilize the Context" (arXiv 2404.16811): averages and
gaps from its Table 1, the curves read off its released figure (document and code to about one point; database
recomputed exactly from the released model outputs). Measured there at about 32K tokens.
"""

from dataclasses import dataclass

TASKS = ("document", "code", "database")
TITLES = {"document": "Document", "code": "Code", "database": "Database"}
SPANS = {"document": 16, "code": 16, "database": 15}
"""Number of spans of 50 positions: 800 positions for document and code, 750 for database."""


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One row of Table 1; `numbers` maps a task or `all` to (average, gap) in percent."""

    name: str
    measured: str
    numbers: dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Floor:
    """A score in percent that needs no understanding of where the answer is."""

    score: float
    label: str
    explanation: str


def _row(name: str, measured: str, *numbers: tuple[float, float]) -> PaperRow:
    return PaperRow(name, measured, dict(zip((*TASKS, "all"), numbers, strict=True)))


PAPER_ROWS = (
    _row("Mistral-7B-Instruct-v0.2", "paper, 32K, 7B", (74.2, 32.1), (20.3, 59.5), (47.5, 77.0), (47.3, 56.2)),
    _row("FILM-7B", "paper, 32K, 7B", (85.4, 6.1), (83.3, 18.7), (89.0, 16.8), (85.9, 13.9)),
    # its size is not public, so it does not carry the 7B of the other two
    _row("GPT-4-Turbo", "paper, 32K", (81.3, 31.7), (66.1, 46.5), (89.6, 18.0), (79.0, 32.1)),
)

_MISTRAL = "Mistral, paper"
_FILM = "FILM, paper"

PAPER_CURVES: dict[str, dict[str, tuple[float, ...]]] = {
    "document": {
        _MISTRAL: (83.5, 79.5, 72, 76, 76, 78, 75.5, 73, 71, 62, 59.5, 64, 69, 73.5, 83, 91.5),
        _FILM: (87.5, 88, 84, 83, 88.5, 82.5, 84, 83, 85, 86, 83, 83.5, 85.5, 88.5, 87.5, 87),
    },
    "code": {
        _MISTRAL: (59.5, 35, 30, 21, 18, 11.5, 16.5, 7.5, 3, 3, 5, 3.5, 6.5, 12, 31.5, 62.5),
        _FILM: (90, 84, 84.5, 81, 80.5, 80.5, 81.5, 76.5, 74, 83.5, 81.5, 82, 82.5, 87.5, 90.5, 93),
    },
    "database": {
        _MISTRAL: (68.1, 56.6, 54.6, 37.8, 33.7, 26.5, 29.6, 18.4, 20.9, 20.4, 33.2, 51.0, 77.6, 88.8, 95.4),
        _FILM: (88.2, 84.7, 91.8, 89.8, 82.1, 90.3, 87.8, 86.6, 93.4, 93.4, 92.9, 95.9, 91.8, 79.1, 87.8),
    },
}
"""Percent per span, first span first."""

FLOORS: dict[str, tuple[Floor, ...]] = {
    "document": (
        Floor(37.7, "echo only 37.7", "repeating the eight words of the question scores 37.7"),
        Floor(12.0, "any other 12.0", "answering with a random other sentence scores 12.0"),
    ),
    "code": (),
    # 0.1 for a random wrong entity: on a plot it is the axis itself
    "database": (),
}
"""Recomputed from the released pieces, which is where the document metric (word recall) gives free credit."""

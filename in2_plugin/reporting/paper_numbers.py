"""The paper's numbers that a report shows next to the measured ones, as far as they concern several probes.

Every number is a percentage of "Make Your LLM Fully Utilize the Context" (arXiv 2404.16811), measured at about 32K
tokens. Those of one probe are in its definition (`probing/probes/builtin.py`); here they are collected into rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from in2_plugin.probing.probes.builtin import BUILTIN
from in2_plugin.probing.probes.probe import PaperBaseline
from in2_plugin.probing.probes.registry import POSITION_PROBES, PROBES

_PAPER = {probe.name: probe.paper for probe in BUILTIN if probe.paper}
PAPER_TASKS = tuple(_PAPER)
"""The probes of the paper, over which "All" is the mean. Reports show other probes where results have them."""
PAPER_CURVES: Mapping[str, Mapping[str, tuple[float, ...]]] = {task: facts.curves for task, facts in _PAPER.items()}
"""Percent per span, first span first, by probe and name of the curve."""
PAPER_BASELINES: Mapping[str, tuple[PaperBaseline, ...]] = {task: facts.baselines for task, facts in _PAPER.items()}


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One row of Table 1; `numbers` maps a task or `all` to (average, gap) in percent."""

    name: str
    measured: str
    numbers: dict[str, tuple[float, float]]


def _row(name: str, measured: str, overall: tuple[float, float]) -> PaperRow:
    return PaperRow(name, measured, {**{task: facts.scores[name] for task, facts in _PAPER.items()}, "all": overall})


PAPER_ROWS = (
    _row("Mistral-7B-Instruct-v0.2", "paper, 32K, 7B", (47.3, 56.2)),
    _row("FILM-7B", "paper, 32K, 7B", (85.9, 13.9)),
    # its size is not public, so it does not have the 7B of the other two
    _row("GPT-4-Turbo", "paper, 32K", (79.0, 32.1)),
)


def title(task: str) -> str:
    """Return the heading of a probe."""
    return PROBES[task].title if task in PROBES else POSITION_PROBES[task].title

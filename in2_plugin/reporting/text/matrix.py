"""Tabulate pattern by style, from the nine probes of `val_probe_matrix`, and name the one that scores depend on more.

The paper has only the diagonal of this table, where each style comes with one pattern. Invariant: the sentence about
which explains more appears only if all nine were run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from in2_plugin.probing.probes.matrix import STYLES
from in2_plugin.probing.probes.registry import PATTERNS
from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.paper_numbers import title
from in2_plugin.reporting.results import ModelResult, TaskResult
from in2_plugin.reporting.text.wording import ABSENT, estimate, interval, percent, signed, tokens

FLAT = 0.01
"""Standard deviation of the nine averages below which they count as equal."""


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One probe as text; empty intervals where they are not known."""

    dip: str
    dip_interval: str
    avg: str
    avg_interval: str
    gap: str
    gap_interval: str


NOTHING = MatrixCell(ABSENT, "", ABSENT, "", ABSENT, "")


@dataclass(frozen=True, slots=True)
class Matrix:
    """Nine probes of one model at one length."""

    model: str
    length: str
    rows: tuple[tuple[str, tuple[MatrixCell, ...]], ...]
    """Pattern, one cell per style, and their mean; the last row has the means over patterns."""
    conclusion: str


@dataclass(frozen=True, slots=True)
class Explained:
    """Shares of the spread of the nine averages; what is left is neither's alone."""

    pattern: float
    style: float


STYLES_SHOWN = tuple(title(style) for style in STYLES)


def matrices(comparison: Comparison) -> list[Matrix]:
    """Return one table per model and length, in the order of the models."""
    return [_matrix(comparison, model, length) for model in comparison.models for length in matrix_lengths(model)]


def matrix_lengths(model: ModelResult) -> list[int]:
    """Lengths at which the matrix, or a part of it, was run."""
    return sorted({result.key.length for result in model.of_family("matrix")})


def matrix_results(model: ModelResult, length: int) -> dict[tuple[str, str], TaskResult]:
    """Results of one length by (pattern, style)."""
    found = [result for result in model.of_family("matrix") if result.key.length == length]
    return {(result.key.pattern or "", result.task): result for result in found}


def explained(results: Mapping[tuple[str, str], TaskResult]) -> Explained | None:
    """Sums of squares of the two main effects over the total, as in a two-way analysis of variance of the averages.

    None unless all nine are there and their averages differ by more than a standard deviation of one point.
    """
    if len(results) < len(PATTERNS) * len(STYLES):
        return None
    table = np.array([[results[pattern, task].score.avg for task in STYLES] for pattern in PATTERNS])
    if table.std() < FLAT:
        return None
    total = ((table - table.mean()) ** 2).sum()
    pattern = len(STYLES) * ((table.mean(axis=1) - table.mean()) ** 2).sum() / total
    style = len(PATTERNS) * ((table.mean(axis=0) - table.mean()) ** 2).sum() / total
    return Explained(float(pattern), float(style))


def _matrix(comparison: Comparison, model: ModelResult, length: int) -> Matrix:
    results = matrix_results(model, length)
    rows = []
    for pattern in PATTERNS:
        of_row = {task: results[pattern, task] for task in STYLES if (pattern, task) in results}
        cells = [_cell(comparison, model, of_row.get(task)) for task in STYLES]
        rows.append((pattern, (*cells, _mean(comparison, model, list(of_row.values()), len(STYLES)))))
    columns = [[results[p, task] for p in PATTERNS if (p, task) in results] for task in STYLES]
    means = [_mean(comparison, model, column, len(PATTERNS)) for column in columns]
    overall = _mean(comparison, model, list(results.values()), len(PATTERNS) * len(STYLES))
    rows.append(("mean", (*means, overall)))
    return Matrix(model.label, tokens(length), tuple(rows), _conclusion(model.label, results))


def _cell(comparison: Comparison, model: ModelResult, result: TaskResult | None) -> MatrixCell:
    if result is None:
        return NOTHING
    known, score = comparison.of(model, result), result.score
    dip = estimate(known.position.dip if known.position else None)
    return MatrixCell(*dip, percent(score.avg), interval(known.avg), percent(score.gap), interval(known.gap))


def _mean(comparison: Comparison, model: ModelResult, results: list[TaskResult], wanted: int) -> MatrixCell:
    """Return the mean of a complete row or column; a partial mean would not be comparable."""
    if len(results) < wanted:
        return NOTHING
    effects = [comparison.of(model, one).position for one in results]
    dips = [effect.dip.value for effect in effects if effect]
    dip = signed(fmean(dips)) if len(dips) == wanted else ABSENT
    avg, gap = (fmean(getattr(one.score, name) for one in results) for name in ("avg", "gap"))
    return MatrixCell(dip, "", percent(avg), "", percent(gap), "")


def _conclusion(label: str, results: Mapping[tuple[str, str], TaskResult]) -> str:
    if len(results) < len(PATTERNS) * len(STYLES):
        return ""
    shares = explained(results)
    if shares is None:
        return f"The nine averages of {label} are about equal: neither the pattern nor the style matters."
    pattern, style = f"{100 * shares.pattern:.0f}%", f"{100 * shares.style:.0f}%"
    more, less = ("pattern", "style") if shares.pattern > shares.style else ("style", "pattern")
    first, second = (pattern, style) if more == "pattern" else (style, pattern)
    return (
        f"For {label} the {more} explains more of the differences between the nine averages than the {less}: "
        f"{first} against {second} of their variance."
    )

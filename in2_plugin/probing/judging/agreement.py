"""Compare the judge's verdicts with the score by contained texts: accuracies, agreement, Cohen's kappa."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from in2_plugin.probing.judging.judged_answers import JudgedAnswer


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two scores of the same answers: those for which the judge gave a verdict."""

    answers: int
    contained: float
    """Accuracy by contained texts, from 0 to 1; 0 without answers, as the other shares."""
    judged: float
    """Accuracy by the judge."""
    agreement: float
    """Share of answers on which both agree."""
    kappa: float | None
    """Cohen's kappa (1960): agreement beyond chance; None if both always say the same, where it is undefined."""
    only_judge: int
    """Answers that the judge takes for correct and that do not contain the gold texts."""
    only_contained: int
    """Answers that contain the gold texts and that the judge takes for wrong."""


def agreement_of(rows: Sequence[JudgedAnswer]) -> Agreement:
    """Compare verdicts with contained texts; rows without a verdict do not count."""
    cells = Counter((row.verdict, row.contained) for row in rows if row.verdict is not None)
    n = cells.total()
    if not n:
        return Agreement(0, 0.0, 0.0, 0.0, None, 0, 0)
    both, neither = cells[True, True], cells[False, False]
    only_judge, only_contained = cells[True, False], cells[False, True]
    judged, contained = (both + only_judge) / n, (both + only_contained) / n
    observed = (both + neither) / n
    chance = judged * contained + (1 - judged) * (1 - contained)
    kappa = (observed - chance) / (1 - chance) if chance < 1 else None
    return Agreement(n, contained, judged, observed, kappa, only_judge, only_contained)

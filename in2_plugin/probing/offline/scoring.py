"""Scoring answers from files: the curve, how sure it is, and what chance alone would give.

Pure but for the generator, which is an argument. Cost: 3,200 answers with 2,000 draws take about 0.3 s.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.offline.answers import Answer
from in2_plugin.probing.offline.gold import GoldRow
from in2_plugin.probing.probes.kinds import Kind
from in2_plugin.probing.scoring.curves import Curve, curve_from_positions
from in2_plugin.probing.scoring.published import POSITIONS, SPAN, published_curve, published_scores
from in2_plugin.probing.scoring.scores import SetScores, gather

if TYPE_CHECKING:
    import numpy as np

    from in2_plugin.probing.scoring.statistics import FlatGap, Intervals

DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class OfflineScore:
    """One probe scored."""

    task: str
    curve: Curve
    intervals: "Intervals"
    flat_gap: "FlatGap"
    questions: int
    """Answers that count."""
    left_out: int
    """Answers that do not: to ambiguous questions, or to those that the published scoring leaves out."""
    empty: int
    """Answers without a word, which score as wrong ones."""
    more_samples: int
    """Predictions with several texts, of which the first counts."""
    match_paper: bool

    def as_json(self) -> dict[str, Any]:
        """All figures as fractions of one; intervals are [low, high], or null where nothing tells."""
        flat = {**asdict(self.flat_gap), "p_value": self.flat_gap.p_value}
        scalars = {name: getattr(self, name) for name in ("task", "questions", "left_out", "empty", "more_samples")}
        return {
            **scalars,
            **asdict(self.curve),
            "intervals": asdict(self.intervals),
            "flat_gap": flat,
            "match_paper": self.match_paper,
        }


def score_answers(
    kind: Kind,
    pairs: Sequence[tuple[GoldRow, Answer]],
    rng: "np.random.Generator",
    n_spans: int | None = None,
    match_paper: bool = False,
) -> OfflineScore:
    """Score each answer as its probe does, and put the scores together.

    Args:
        kind: the probe.
        pairs: from `offline_answers.pair`.
        rng: for the intervals.
        n_spans: equal parts of the context that are scored apart; the probe's own number when None.
        match_paper: score as the paper did: 49 of 50 positions, its own list of rows left out.

    Raises:
        ProbeError: nothing is left to score, or the paper's scoring does not apply to these questions.
    """
    from in2_plugin.probing.scoring.statistics import bootstrap, flat_gap

    scored = [
        (kind.score(gold.gold, answer.text), gold.position, gold.n_positions, gold.set)
        for gold, answer in pairs
        if match_paper or not gold.ambiguous
    ]
    sets, n_spans, found = _figures(kind, gather(scored), n_spans, match_paper)
    questions = sum(len(one.positions) for one in sets)
    return OfflineScore(
        task=kind.name,
        curve=found,
        intervals=bootstrap(sets, n_spans, rng, DRAWS),
        flat_gap=flat_gap(sets, n_spans, rng, DRAWS),
        questions=questions,
        left_out=len(pairs) - questions,
        empty=sum(not answer.text.strip() for _, answer in pairs),
        more_samples=sum(answer.n_samples > 1 for _, answer in pairs),
        match_paper=match_paper,
    )


def _figures(
    kind: Kind, sets: Sequence[SetScores], n_spans: int | None, match_paper: bool
) -> tuple[Sequence[SetScores], int, Curve]:
    """(scores that count, number of spans, curve)."""
    if match_paper:
        if n_spans is not None:
            raise ProbeError("the published scoring has spans of 50 positions; leave --spans or --match-paper out")
        counted, found = published_scores(kind.name, sets), published_curve(kind.name, sets)
        return counted, POSITIONS[kind.name] // SPAN, found
    if not sets:
        raise ProbeError("every gold row is marked ambiguous, so that nothing can be scored; check that field")
    n_spans = n_spans or kind.spans
    rows = [
        (score, position, one.n_positions, one.set)
        for one in sets
        for position, score in zip(one.positions, one.scores, strict=True)
    ]
    return sets, n_spans, curve_from_positions(rows, n_spans)

"""Score predictions from files: dip and slope, the curve, its confidence intervals, and the gap of a flat model.

Pure: the random generator is an argument. Cost: 3,200 predictions with 2,000 draws take about 0.3 s.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.offline.gold import GoldRow
from in2_plugin.probing.offline.predictions import Prediction
from in2_plugin.probing.probes.probe import Probe
from in2_plugin.probing.scoring.curves import Curve, curve_from_positions
from in2_plugin.probing.scoring.published import SPAN, published_curve, published_facts, published_scores
from in2_plugin.probing.scoring.scores import SetScores, gather
from in2_plugin.probing.scoring.thoughts import GivenThoughts, text_to_score

if TYPE_CHECKING:
    import numpy as np

    from in2_plugin.probing.scoring.dip import PositionEffect
    from in2_plugin.probing.scoring.statistics import FlatGap, Intervals

DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class OfflineScore:
    """The scores of one probe."""

    task: str
    position: "PositionEffect | None"
    """Dip and slope; None if a fifth of the depth has no question."""
    curve: Curve
    intervals: "Intervals"
    flat_gap: "FlatGap"
    questions: int
    """Predictions that count."""
    left_out: int
    """Predictions that do not count: for ambiguous questions, or for those that the published scoring skips."""
    empty: int
    """Empty predictions, which count as wrong."""
    more_samples: int
    """Predictions with several samples, of which the first counts."""
    unfinished_thoughts: int
    """Predictions that end inside a thought, which count as wrong unless `thoughts` is `scored`."""
    thoughts: GivenThoughts
    """How thoughts were treated."""
    match_paper: bool

    def as_json(self) -> dict[str, Any]:
        """Return all figures as fractions of one; intervals are [low, high], or null if unknown."""
        flat = {**asdict(self.flat_gap), "p_value": self.flat_gap.p_value}
        names = ("task", "questions", "left_out", "empty", "more_samples", "unfinished_thoughts", "thoughts")
        scalars = {name: getattr(self, name) for name in names}
        return {
            **scalars,
            "position": asdict(self.position) if self.position else None,
            **asdict(self.curve),
            "intervals": asdict(self.intervals),
            "flat_gap": flat,
            "match_paper": self.match_paper,
        }


def score_predictions(
    probe: Probe,
    pairs: Sequence[tuple[GoldRow, Prediction]],
    rng: "np.random.Generator",
    n_spans: int | None = None,
    match_paper: bool = False,
    thoughts: GivenThoughts = "auto",
) -> OfflineScore:
    """Score each prediction with the probe's metric and aggregate the scores.

    Args:
        probe: the probe that was asked.
        pairs: the result of `predictions.pair`.
        rng: generator for the intervals.
        n_spans: equal parts of the context that are scored separately; the probe's own number when None.
        match_paper: score like the paper: 49 of 50 positions, without the questions on its skip list.
        thoughts: see `scoring/thoughts.py`; `auto` takes from the gold rows if prompts open a thought.

    Raises:
        ProbeError: there is nothing to score, or the paper's scoring does not apply to these questions.
    """
    from in2_plugin.probing.scoring.dip import position_effect
    from in2_plugin.probing.scoring.statistics import bootstrap, flat_gap

    texts = [_text_to_score(gold, prediction, thoughts) for gold, prediction in pairs]
    scored = [
        (probe.score(gold.gold, text), gold.position, gold.n_positions, gold.set)
        for (gold, _), (text, _) in zip(pairs, texts, strict=True)
        if match_paper or not gold.ambiguous
    ]
    sets, n_spans, found = _aggregate(probe, gather(scored), n_spans, match_paper)
    questions = sum(len(one.positions) for one in sets)
    return OfflineScore(
        task=probe.name,
        position=position_effect([sets], rng, DRAWS),
        curve=found,
        intervals=bootstrap(sets, n_spans, rng, DRAWS),
        flat_gap=flat_gap(sets, n_spans, rng, DRAWS),
        questions=questions,
        left_out=len(pairs) - questions,
        empty=sum(not prediction.text.strip() for _, prediction in pairs),
        more_samples=sum(prediction.n_samples > 1 for _, prediction in pairs),
        unfinished_thoughts=sum(is_unfinished for _, is_unfinished in texts),
        thoughts=thoughts,
        match_paper=match_paper,
    )


def _text_to_score(gold: GoldRow, prediction: Prediction, thoughts: GivenThoughts) -> tuple[str, bool]:
    if thoughts == "auto":
        return text_to_score(prediction.text, "opened" if gold.opens_thought else "closed")
    return text_to_score(prediction.text, thoughts)


def _aggregate(
    probe: Probe, sets: Sequence[SetScores], n_spans: int | None, match_paper: bool
) -> tuple[Sequence[SetScores], int, Curve]:
    """Return (scores that count, number of spans, curve)."""
    if match_paper:
        if n_spans is not None:
            raise ProbeError("the published scoring has spans of 50 positions; leave --spans or --match-paper out")
        counted, found = published_scores(probe, sets), published_curve(probe, sets)
        return counted, published_facts(probe).n_positions // SPAN, found
    if not sets:
        raise ProbeError("every gold row is marked ambiguous, so there is nothing to score; check that field")
    n_spans = n_spans or probe.spans
    rows = [
        (score, position, one.n_positions, one.set)
        for one in sets
        for position, score in zip(one.positions, one.scores, strict=True)
    ]
    return sets, n_spans, curve_from_positions(rows, n_spans)

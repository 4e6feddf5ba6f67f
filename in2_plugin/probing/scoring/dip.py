"""Estimate what a probe asks: are answers in the middle of a context worse than at its ends?

*Dip* is the mean score of the first and the last fifth of the depth minus that of the middle three fifths. It is linear
in the scores, so unlike a Gap (a maximum minus a minimum) it is not above zero by chance, and all questions count.
*Slope* is the least-squares line through the five fifths, per whole context.

Intervals are over questions and contexts. Questions are resampled within their context and fifth; on the same
questions, the two models are drawn together. Contexts, usually four, are too few to resample: a two-stage bootstrap
over four covers 98% where they do not differ and 84% where they differ much. So where contexts vary more than their
questions explain, the t interval over contexts replaces the resampling. This covers 94 to 97% for four or more
contexts. Where each question is asked at every depth (`by_question`), a set is a question, and the t interval is over
questions alone (`paired_depths.py`). Cost: 40 ms for 3,200 questions and 2,000 draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from in2_plugin.probing.scoring import paired_depths
from in2_plugin.probing.scoring.curves import span_of, span_of_depth
from in2_plugin.probing.scoring.scores import SetScores
from in2_plugin.probing.scoring.statistics import HIGH, LOW, Interval, Numbers, ScorePair, redrawn_errors

FIFTHS = 5
DIP = np.array([1 / 2, -1 / 3, -1 / 3, -1 / 3, 1 / 2])
SLOPE = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
"""Least-squares weights of values at depths 0.1, 0.3, 0.5, 0.7 and 0.9, per unit of depth."""
MIDDLE = np.array([0, 1 / 3, 1 / 3, 1 / 3, 0])
WEIGHTS = np.array([DIP, SLOPE, MIDDLE])


@dataclass(frozen=True, slots=True)
class PositionEstimate:
    """A value and its 95% interval, as fractions of one."""

    value: float
    interval: Interval | None
    """None if a fifth has a single question."""

    @property
    def above_zero(self) -> bool:
        """True if the whole interval is above zero."""
        return self.interval is not None and self.interval[0] > 0

    @property
    def below_zero(self) -> bool:
        """True if the whole interval is below zero."""
        return self.interval is not None and self.interval[1] < 0


@dataclass(frozen=True, slots=True)
class PositionEffect:
    """How scores, or differences of scores, depend on the position of the answer."""

    dip: PositionEstimate
    """Ends minus middle: positive where the middle is lower."""
    slope: PositionEstimate
    """From the start of the context to its end."""
    middle: PositionEstimate
    """Mean of the middle three fifths."""


Fifths = tuple[Numbers, ...]
"""Per fifth, the scores of one set in it, (questions, models)."""


@dataclass(frozen=True, slots=True)
class _Scores:
    """The scores of one probe by set and fifth, and how its models count."""

    sets: tuple[Fifths, ...]
    signs: Numbers
    """(models,) 1 and -1: after minus before."""
    by_question: bool
    """True if a set is a question, asked at every depth."""

    def fifths(self) -> Numbers:
        """Return the (5,) values: the mean over sets of the set's mean; nan for a fifth without questions."""
        means = [[of_set[fifth].mean(axis=0) @ self.signs for of_set in self._having(fifth)] for fifth in range(FIFTHS)]
        return np.array([np.mean(of_sets) if of_sets else np.nan for of_sets in means])

    def errors(self, rng: np.random.Generator, draws: int) -> Numbers:
        """Return (3, draws) errors of dip, slope and middle; nan if a fifth has fewer than two questions."""
        if self.by_question:
            return self._question_errors(rng, draws)
        of_questions = WEIGHTS @ np.array([self._fifth_errors(fifth, rng, draws) for fifth in range(FIFTHS)])
        complete = [[scores.mean(axis=0) @ self.signs for scores in one] for one in self.sets if all(map(len, one))]
        if len(complete) < 2:
            return np.asarray(of_questions)
        of_contexts = np.std(complete @ WEIGHTS.T, axis=0, ddof=1) / len(complete) ** 0.5
        drawn = of_contexts[:, None] * rng.standard_t(len(complete) - 1, draws)
        return np.where((of_contexts > of_questions.std(axis=1))[:, None], drawn, of_questions)

    def _question_errors(self, rng: np.random.Generator, draws: int) -> Numbers:
        empty = np.full(len(self.signs), np.nan)
        rows = np.array([[of_fifth.mean(axis=0) if len(of_fifth) else empty for of_fifth in one] for one in self.sets])
        drawn = WEIGHTS @ (paired_depths.question_errors(rows, rng, draws) @ self.signs).T
        deviations: Numbers = drawn.std(axis=1)
        return deviations[:, None] * rng.standard_t(max(1, len(rows) - 1), draws)

    def _having(self, fifth: int) -> list[Fifths]:
        return [of_set for of_set in self.sets if len(of_set[fifth])]

    def _fifth_errors(self, fifth: int, rng: np.random.Generator, draws: int) -> Numbers:
        having = [of_set[fifth] for of_set in self._having(fifth)]
        everything = np.concatenate(having) if having else np.empty((0, len(self.signs)))
        if len(everything) < 2:
            return np.full(draws, np.nan)
        errors = np.zeros((draws, len(self.signs)))
        for scores in having:
            pool = scores if len(scores) > 1 else everything
            errors += redrawn_errors(pool, max(1, len(scores) - 1), 1 / len(having), rng, draws) / len(having)
        return np.asarray(errors @ self.signs)


def curve_effect(spans: Sequence[float | None]) -> PositionEffect | None:
    """Return the effect of a curve without single scores, so without intervals; None if a fifth has no scored span.

    A span counts for each fifth by its overlap with it.
    """
    edges = np.linspace(0, 1, len(spans) + 1)
    borders = np.linspace(0, 1, FIFTHS + 1)
    overlaps = np.minimum(edges[1:], borders[1:, None]) - np.maximum(edges[:-1], borders[:-1, None])
    scored = np.array([value is not None for value in spans])
    weights = np.clip(overlaps, 0, None) * scored
    if (weights.sum(axis=1) < 1e-9).any():
        return None
    fifths = weights @ np.array([value or 0.0 for value in spans]) / weights.sum(axis=1)
    return PositionEffect(*(PositionEstimate(float(value), None) for value in WEIGHTS @ fifths))


def mean_effect(effects: Sequence[PositionEffect]) -> PositionEffect:
    """Return the mean of at least one effect, without intervals."""
    names = ("dip", "slope", "middle")
    return PositionEffect(
        *(PositionEstimate(fmean(getattr(one, name).value for one in effects), None) for name in names)
    )


def measured_dip(sets: Sequence[SetScores], by_question: bool = False) -> float | None:
    """Return the dip of `position_effect` without its interval; None if a fifth has no question."""
    dip = float(DIP @ _scores(sets, by_question=by_question).fifths())
    return None if np.isnan(dip) else dip


def position_effect(
    probes: Sequence[Sequence[SetScores]], rng: np.random.Generator, draws: int, by_question: bool = False
) -> PositionEffect | None:
    """Return the mean effect over the scores of `probes`, each weighing the same; None if a fifth has no question.

    Args:
        probes: the sets of each probe.
        rng: the random generator.
        draws: number of resamples.
        by_question: True if each set is a question that was asked at every depth.
    """
    return _resampled_effect([[_scores(sets, by_question=by_question)] for sets in probes], rng, draws)


def position_change(
    pairs: Sequence[ScorePair], rng: np.random.Generator, draws: int, paired: bool = True, by_question: bool = False
) -> PositionEffect | None:
    """Return the change of the effect from before to after, mean over probes; None if a fifth has no question.

    Args:
        pairs: one pair of scores per probe.
        rng: the random generator.
        draws: number of resamples.
        paired: True if equal positions are equal questions; then both answers to a question are drawn together.
        by_question: True if each set is a question that was asked at every depth.
    """
    if paired and all(pair.matches for pair in pairs):
        terms = [[_scores(pair.before, pair.after, by_question=by_question)] for pair in pairs]
    else:
        terms = [[_scores(pair.after, (), 1.0, by_question), _scores(pair.before, (), -1.0, by_question)]
                 for pair in pairs]  # fmt: skip
    return _resampled_effect(terms, rng, draws)


def _scores(
    first: Sequence[SetScores], after: Sequence[SetScores] = (), sign: float = 1.0, by_question: bool = False
) -> _Scores:
    """Return the scores of `first`, or of the two models `first` and `after` on the same questions."""
    models = [first, after] if after else [first]
    fifth_of = span_of_depth if by_question else span_of
    sets = []
    for of_set in zip(*models, strict=True):
        scores = np.array([one.scores for one in of_set], dtype=float).T
        fifths = np.array([fifth_of(place, of_set[0].n_positions, FIFTHS) for place in of_set[0].positions], dtype=int)
        sets.append(tuple(scores[fifths == fifth] for fifth in range(FIFTHS)))
    return _Scores(tuple(sets), np.array([-1.0, 1.0] if after else [sign]), by_question)


def _resampled_effect(
    probes: Sequence[Sequence[_Scores]], rng: np.random.Generator, draws: int
) -> PositionEffect | None:
    """Sum the terms of each probe, and average over probes."""
    terms = [term for of_probe in probes for term in of_probe]
    values = WEIGHTS @ sum(term.fifths() for term in terms) / len(probes)
    if np.isnan(values).any():
        return None
    errors = np.sum([term.errors(rng, draws) for term in terms], axis=0) / len(probes)
    return PositionEffect(*(PositionEstimate(float(v), _limits(v + e)) for v, e in zip(values, errors, strict=True)))


def _limits(drawn: Numbers) -> Interval | None:
    if np.isnan(drawn).any():
        return None
    low, high = np.quantile(drawn, (LOW, HIGH))
    return float(low), float(high)

"""Resample whole questions, for probes that ask each question at every depth (a paired design).

The answers to one question are related, so they are drawn together. A question that is hard at every depth then adds
nothing to the error of a dip, and an average is not taken for more certain than its number of questions allows. Cost:
20 ms for 300 questions, ten depths and 2,000 draws.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from in2_plugin.probing.scoring.curves import span_of_depth
from in2_plugin.probing.scoring.scores import SetScores

Numbers = NDArray[np.float64]
ADDED = 2
"""Questions that are added with answers by chance, half of them right: equal answers do not mean certainty."""


def by_question(models: Sequence[Sequence[SetScores]], n_spans: int) -> Numbers:
    """Return the mean score of each question in each span, (questions, spans, models); nan where it was not asked.

    Args:
        models: one sequence of sets per model, at the same positions; a set is a question.
    """
    rows = np.full((len(models[0]), n_spans, len(models)), np.nan)
    for index, of_set in enumerate(zip(*models, strict=True)):
        spans = np.array([span_of_depth(position, of_set[0].n_positions, n_spans) for position in of_set[0].positions])
        scores = np.array([one.scores for one in of_set], dtype=float).T
        for span in np.unique(spans):
            rows[index, span] = scores[spans == span].mean(axis=0)
    return rows


def question_errors(rows: Numbers, rng: np.random.Generator, draws: int) -> Numbers:
    """Return resampled minus measured means over questions, (draws, spans, models).

    nan where fewer than two questions were asked, and for a draw without any.
    """
    n = len(rows)
    asked = ~np.isnan(rows)
    shares = np.append(np.full(n, 1 / (n + ADDED)), ADDED / (n + ADDED))
    counts = rng.multinomial(max(1, n - 1), shares, size=draws)
    added = counts[:, -1, None, None]
    right = rng.binomial(added, 0.5, (draws, *rows.shape[1:]))
    of_questions = np.tensordot(counts[:, :-1], np.nan_to_num(rows), axes=1)
    numbers = np.tensordot(counts[:, :-1], asked.astype(float), axes=1)
    measured = (np.nansum(rows, axis=0) + ADDED / 2) / (asked.sum(axis=0) + ADDED)
    with np.errstate(invalid="ignore"):
        errors = (of_questions + right) / (numbers + added) - measured
    return np.where(asked.sum(axis=0) < 2, np.nan, errors)

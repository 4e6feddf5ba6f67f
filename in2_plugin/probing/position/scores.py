"""The scored answers of one position probe, as they are stored in lm_eval's results file.

`PositionScores.sets` gives them to `probing/scoring` in the form of VAL's scores: one set per question, one position
per depth. Questions are the unit of sampling, because each one is asked at every depth. Invariant:
`position_scores_from_text` restores what `as_text` wrote, with scores and depths rounded to four decimals. About 35
bytes per answer.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.scoring.scores import SetScores, gather

FINE_GRAINED = "fine_grained"
"""Kind of the questions with one gold, which make the curve."""
DECIMALS = 4


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """The score of one question at one depth."""

    question: int
    length: int
    """Tokens that the context was made for."""
    depth: int
    """Number of the depth of the first gold, from 0."""
    kind: str
    """`fine_grained` or `integration`."""
    gold_depths: tuple[float, ...]
    """Relative depths in [0, 1] of the golds, first gold first; empty in a control."""
    score: float
    """From 0 to 1."""
    recall: float
    """Share of the gold's words in the answer, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class PositionScores:
    """All scored answers of one task."""

    digest: str
    """Equal for two runs with the same questions, golds and contexts."""
    n_depths: int
    """Equal parts of a context in which each question is asked; 1 in a control."""
    window: int | None
    """The model's window in tokens, for curves by share of the window; None if it is unknown."""
    answers: tuple[ScoredAnswer, ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of the contexts in tokens, shortest first."""
        return tuple(sorted({answer.length for answer in self.answers}))

    def depths(self, length: int) -> tuple[float, ...]:
        """Return the mean relative depth in [0, 1] of the first gold at each depth; evenly spread where unknown."""
        found = defaultdict(list)
        for answer in self.answers:
            if answer.length == length and answer.gold_depths:
                found[answer.depth].append(answer.gold_depths[0])
        n = self.n_depths
        return tuple(fmean(found[depth]) if found[depth] else (depth + 0.5) / n for depth in range(n))

    def sets(self, length: int) -> tuple[SetScores, ...]:
        """Return the scores of the fine-grained answers at one length, one set per question, positions are depths.

        Raises:
            ProbeError: a question is scored twice at one depth.
        """
        return gather(
            (answer.score, answer.depth, self.n_depths, answer.question)
            for answer in self.answers
            if answer.length == length and answer.kind == FINE_GRAINED
        )


def as_text(scores: PositionScores) -> str:
    """Return compact JSON: an object with one array per answer."""
    kinds = sorted({answer.kind for answer in scores.answers})
    rows = [_row(answer, kinds) for answer in scores.answers]
    content = {"digest": scores.digest, "n_depths": scores.n_depths, "window": scores.window, "kinds": kinds}
    return json.dumps({**content, "answers": rows}, separators=(",", ":"))


def position_scores_from_text(text: str) -> PositionScores:
    """Parse what `as_text` wrote.

    Raises:
        ProbeError: the text is something else.
    """
    try:
        content = json.loads(text)
        answers = tuple(_answer(row, content["kinds"]) for row in content["answers"])
        scores = PositionScores(str(content["digest"]), int(content["n_depths"]), content["window"], answers)
        sound = all(_is_sound(answer, scores.n_depths) for answer in answers)
    except (ValueError, TypeError, KeyError, IndexError) as problem:
        raise ProbeError(f"scores by depth cannot be read ({problem}); run the probe again") from None
    if not sound:
        raise ProbeError("scores by depth are inconsistent; run the probe again")
    return scores


def _row(answer: ScoredAnswer, kinds: list[str]) -> list[Any]:
    depths = [round(depth, DECIMALS) for depth in answer.gold_depths]
    of_answer = [answer.question, answer.length, answer.depth, kinds.index(answer.kind), depths]
    return [*of_answer, round(answer.score, DECIMALS), round(answer.recall, DECIMALS)]


def _answer(row: list[Any], kinds: list[str]) -> ScoredAnswer:
    question, length, depth, kind, gold_depths, score, recall = row
    return ScoredAnswer(question, length, depth, kinds[kind], tuple(gold_depths), score, recall)


def _is_sound(answer: ScoredAnswer, n_depths: int) -> bool:
    shares = (answer.score, answer.recall, *answer.gold_depths)
    return 0 <= answer.depth < n_depths and all(0 <= share <= 1 for share in shares)

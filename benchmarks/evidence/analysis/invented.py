"""Invent the results of a study with known dips, to run the analysis before there are any. Rows say that they are.

Answers are right with a probability that depends on the question, the arm, the seed and the depth.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.rows import KINDS, Model, Rows, ScoredUnit
from benchmarks.evidence.study import STUDY, Study, load_study
from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_text_atomic
from in2_plugin.probing.scoring.dip import FIFTHS

SHAPE = np.array([0.6, -0.4, -0.4, -0.4, 0.6])
"""Ends minus middle of 1, with an average of 0."""
PER_CONTEXT = 10
"""Questions about a context."""
INVENTED = "invented"
"""Key of the rows."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of the chance of a right answer, as fractions."""

    questions: float = 0.2
    arm_by_question: float = 0.1
    seeds: float = 0.02
    """Of an arm's dip between seeds."""


def invented_answers(
    dips: Sequence[float], seeds: int, questions: int, rng: np.random.Generator, spread: Spread = Spread()
) -> NDArray[np.float64]:
    """Return (arms, seeds, questions, 5) answers, 1 if right, with these expected dips and an average of 50%."""
    n_arms = len(dips)
    of_question = rng.normal(0, spread.questions, (1, 1, questions, 1))
    of_arm = rng.normal(0, spread.arm_by_question, (n_arms, 1, questions, FIFTHS))
    of_seed = rng.normal(0, spread.seeds, (n_arms, seeds, 1, 1))
    chance = 0.5 + of_question + of_arm + (np.array(dips)[:, None, None, None] + of_seed) * SHAPE
    return np.asarray(rng.random(chance.shape) < chance, float)


def invent_study(folder: Path, dips: Mapping[str, float], questions: int, seeds: int, seed: int) -> None:
    """Write the rows of a study with these dips, in points by arm, into a new folder.

    Raises:
        ConfigError: the folder has rows, or the study has no such arm.
    """
    study, rng = load_study(STUDY), np.random.default_rng(seed)
    unknown = [arm for arm in dips if arm not in study.arms]
    if unknown or (folder / "rows.jsonl").exists():
        raise ConfigError(f"--dips: the study has no arm {unknown[0]}" if unknown else f"{folder}: has rows already")
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomic(folder / "study.yml", STUDY.read_text(encoding="utf-8"))
    rows, values = Rows(folder), [dip / 100 for dip in dips.values()]
    tasks = {task: invented_answers(values, seeds, questions, rng) for task in _tasks(study)}
    for number, arm in enumerate(dips):
        for one in range(seeds):
            scores = [unit for (task, length), x in tasks.items() for unit in _paired(task, length, x[number, one])]
            scores += _without_depth(rng, questions)
            facts = {"seconds": 1.0, "date": "2000-01-01T00:00:00+00:00", "commit": "none", "machine": INVENTED}
            rows.add(Model(arm, one), "all", scores, invented=True, device="none", dtype="none", **facts)


def _tasks(study: Study) -> list[tuple[str, int]]:
    lengths = study.own_probe["lengths"]
    return [*(("in2_probe_context", length) for length in lengths), ("litm_kv", study.trained_length)]


def _paired(task: str, length: int, answers: NDArray[np.float64]) -> Iterator[ScoredUnit]:
    for (question, depth), score in np.ndenumerate(answers):
        block = question // PER_CONTEXT
        context = FIFTHS * block + (depth - question) % FIFTHS
        yield ScoredUnit(task, length, question, depth, FIFTHS, float(score), context)


def _without_depth(rng: np.random.Generator, questions: int) -> Iterator[ScoredUnit]:
    for unit in range(questions):
        yield ScoredUnit("in2_probe_gold_only", 1_024, unit, 0, 1, float(rng.random() < 0.8))
        yield ScoredUnit("choices", 0, unit, 0, 1, float(rng.random() < 0.4))
        yield ScoredUnit("held_out_exact", 0, unit, unit % FIFTHS, FIFTHS, float(rng.random() < 0.5))
    for kind in KINDS:
        yield from (ScoredUnit(f"text_{kind}", 0, unit, 0, 1, float(3 + rng.normal(0, 0.02))) for unit in range(8))

"""What was measured: one probe of one model, and all probes of a model.

Invariant: scores are fractions here; percent is a matter of display. A probe is known by its key, whatever lm_eval's
task was called: `val_probe_document` with probe_length 4096 and `val_probe_document_4k` are the same probe.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from in2_plugin.probing.scoring.scores import SetScores
from in2_plugin.reporting.paper_numbers import TASKS

PAPER_LENGTH = 32_768
"""Tokens; what a task without a length in its name is built for when nothing else is said."""
PATTERNS = ("forward", "backward", "bidirectional")
FAMILIES = ("", "closed_book", "matrix", "paper")
"""By the word in the task's name: with a context (no word), without it, pattern by style, the authors' own data."""
TASK_NAME = re.compile(
    rf"val_probe_(?:(?P<family>{'|'.join(filter(None, FAMILIES))})_)?(?P<task>{'|'.join(TASKS)})"
    rf"(?:_(?P<pattern>{'|'.join(PATTERNS)})|_(?P<thousands>\d+)k)?"
)


@dataclass(frozen=True, slots=True)
class ProbeKey:
    """Which probe it is."""

    family: str
    """One of FAMILIES."""
    task: str
    """One of TASKS; in the matrix the style."""
    pattern: str | None
    """One of PATTERNS in the matrix, else None."""
    length: int
    """Tokens of the longest prompt."""

    @property
    def order(self) -> tuple[int, int, int, int]:
        """By family, task, pattern and length."""
        pattern = PATTERNS.index(self.pattern) if self.pattern else 0
        return FAMILIES.index(self.family), TASKS.index(self.task), pattern, self.length


@dataclass(frozen=True, slots=True)
class Score:
    """Average and Gap as fractions of one."""

    avg: float
    gap: float


@dataclass(frozen=True, slots=True)
class Floors:
    """Mean scores on this very probe that need no reading, as fractions; None where the results do not have them."""

    echo: float | None
    """Of repeating the quoted part of the question."""
    other: float | None
    """Of answering with a random other item."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One probe of one model; `spans` divides the context evenly, None where no row of a span was scored."""

    key: ProbeKey
    name: str
    """What lm_eval calls the task."""
    score: Score
    published: Score | None
    """Scored as published (49 of 50 positions, skip lists); only on the authors' data."""
    spans: tuple[float | None, ...]
    sets: tuple[SetScores, ...]
    """Scores of single questions; empty in results of versions that did not write them."""
    floors: Floors
    rows: int
    version: str | None
    options: Mapping[str, str]
    """The `probe_*` options that are set, as text; the others had their defaults."""
    model_args: Mapping[str, str]
    chat_template: bool | None
    """Whether lm_eval applied the model's chat template; None where the file does not say."""
    date: datetime | None
    lm_eval: str | None
    file: Path

    @property
    def task(self) -> str:
        return self.key.task

    @property
    def scored_spans(self) -> int:
        return sum(value is not None for value in self.spans)

    @property
    def depths(self) -> tuple[float, ...]:
        """Relative depth in [0, 1] of the middle of each span."""
        return tuple((index + 0.5) / len(self.spans) for index in range(len(self.spans)))


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What one model scored."""

    label: str
    source: Path
    model_name: str
    probes: Mapping[ProbeKey, TaskResult]
    """Everything that was run, in the order of the keys."""
    tasks: Mapping[str, TaskResult]
    """The three probes at the length that stands for the model; one that was not run is absent."""
    notes: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Tasks that were not run; none where the model was not probed in this way at all."""
        return tuple(task for task in TASKS if task not in self.tasks) if self.tasks else ()

    def mean(self, tasks: Sequence[str]) -> Score:
        """Plain mean over `tasks`, each weighing the same (the paper's "All" when they are all three)."""
        scores = [self.tasks[task].score for task in tasks]
        return Score(sum(s.avg for s in scores) / len(scores), sum(s.gap for s in scores) / len(scores))

    @property
    def all(self) -> Score | None:
        """The mean over the three probes, or None when one is missing."""
        return self.mean(TASKS) if set(self.tasks) == set(TASKS) else None

    def of_family(self, family: str, task: str | None = None) -> tuple[TaskResult, ...]:
        """Results of one family, and of one task where it is given, in the order of their keys."""
        return tuple(result for key, result in self.probes.items() if key.family == family and task in (None, key.task))


def shared_tasks(models: Sequence[ModelResult]) -> tuple[str, ...]:
    """The probes that every model has, in the paper's order."""
    return tuple(task for task in TASKS if all(task in model.tasks for model in models))


def with_main_tasks(models: Sequence[ModelResult]) -> tuple[ModelResult, ...]:
    """The models with `tasks` chosen: each probe at the paper's 32K where all models have it, else at the longest
    length that all have, else at each model's own longest."""
    chosen = {task: _main_length(models, task) for task in TASKS}
    return tuple(replace(model, tasks=_at(model, chosen)) for model in models)


def _main_length(models: Sequence[ModelResult], task: str) -> int | None:
    lengths = [{result.key.length for result in model.of_family("", task)} for model in models]
    shared = set.intersection(*filter(None, lengths)) if any(lengths) else set()
    return PAPER_LENGTH if PAPER_LENGTH in shared else max(shared, default=None)


def _at(model: ModelResult, lengths: Mapping[str, int | None]) -> dict[str, TaskResult]:
    tasks = {}
    for task in TASKS:
        of_length = {result.key.length: result for result in model.of_family("", task)}
        if of_length:
            tasks[task] = of_length.get(lengths[task] or 0, of_length[max(of_length)])
    return tasks

"""Hold measured results: one probe of one model, and all probes of a model.

Invariant: scores are fractions; only the display uses percent. A probe is identified by its key, not by the name of
lm_eval's task: `val_probe_document` with probe_length 4096 and `val_probe_document_4k` are the same probe.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from in2_plugin.probing.position.scores import PositionScores
from in2_plugin.probing.probes.registry import FAMILIES, PATTERNS, POSITION_PROBES, PROBES
from in2_plugin.probing.scoring.scores import SetScores
from in2_plugin.reporting.paper_numbers import PAPER_TASKS

PAPER_LENGTH = 32_768
"""Tokens; the default length of a task whose name has no length."""


def registered() -> tuple[str, ...]:
    """Return the names of all probes: those of VAL, then position probes."""
    return (*PROBES, *POSITION_PROBES)


def parse_task_name(name: str) -> re.Match[str] | None:
    """Match the name of a val_probe task of a registered probe; groups `family`, `task`, `pattern`, `thousands`."""
    pattern = (
        rf"val_probe_(?:(?P<family>{'|'.join(filter(None, FAMILIES))})_)?(?P<task>{'|'.join(PROBES)})"
        rf"(?:_(?P<pattern>{'|'.join(PATTERNS)})|_(?P<thousands>\d+)k)?"
    )
    return re.fullmatch(pattern, name)


@dataclass(frozen=True, slots=True)
class ProbeKey:
    """Which probe it is."""

    family: str
    """One of FAMILIES of the registry; of a position probe, "" or one of its controls."""
    task: str
    """A registered probe; in the matrix the style."""
    pattern: str | None
    """One of PATTERNS in the matrix, otherwise None."""
    length: int
    """Tokens of the longest prompt."""

    @property
    def order(self) -> tuple[int, int, int, int]:
        """By family, task, pattern and length."""
        pattern = PATTERNS.index(self.pattern) if self.pattern else 0
        return (*FAMILIES, "gold_only").index(self.family), registered().index(self.task), pattern, self.length


@dataclass(frozen=True, slots=True)
class Score:
    """Average and Gap as fractions of one."""

    avg: float
    gap: float


@dataclass(frozen=True, slots=True)
class MeasuredBaselines:
    """Mean scores on this very probe of answers that need no reading, as fractions; None if the results lack them."""

    echo: float | None
    """Score of repeating the quoted part of the question."""
    other: float | None
    """Score of answering with a random other item."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One probe of one model; `spans` divides the context evenly, None where no row of a span was scored."""

    key: ProbeKey
    name: str
    """lm_eval's name of the task."""
    score: Score
    published: Score | None
    """Scored as published (49 of 50 positions, skip lists); only on the authors' data."""
    spans: tuple[float | None, ...]
    sets: tuple[SetScores, ...]
    """Scores of single questions; empty in results of versions that did not write them."""
    baselines: MeasuredBaselines
    unfinished: float | None
    """Share of the answers that end inside a thought and count as wrong; None if the results lack it."""
    rows: int
    version: str | None
    options: Mapping[str, str]
    """The `probe_*` options that are set, as text; the others had their defaults."""
    model_args: Mapping[str, str]
    chat_template: bool | None
    """True if lm_eval applied the model's chat template; None if the file does not record it."""
    date: datetime | None
    lm_eval: str | None
    file: Path
    position: PositionScores | None = None
    """Every answer of the task, at all lengths; None for a VAL probe."""

    @property
    def task(self) -> str:
        return self.key.task

    @property
    def has_curve(self) -> bool:
        """Return False if every question has several golds, so that no answer belongs to one depth."""
        return self.scored_spans > 0

    @property
    def scored_spans(self) -> int:
        return sum(value is not None for value in self.spans)

    @property
    def depths(self) -> tuple[float, ...]:
        """Relative depth in [0, 1] of the middle of each span; of a position probe, that of its golds."""
        if self.position is not None:
            return self.position.depths(self.key.length)
        return tuple((index + 0.5) / len(self.spans) for index in range(len(self.spans)))


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What one model scored."""

    label: str
    source: Path
    model_name: str
    probes: Mapping[ProbeKey, TaskResult]
    """All results, in the order of their keys."""
    tasks: Mapping[str, TaskResult]
    """Each probe at the length that represents the model; probes that were not run are absent."""
    notes: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the paper's probes that were not run; empty for a model that ran none of them."""
        absent = tuple(task for task in PAPER_TASKS if task not in self.tasks)
        return absent if len(absent) < len(PAPER_TASKS) else ()

    def mean(self, tasks: Sequence[str]) -> Score:
        """Plain mean over `tasks`, each weighing the same (the paper's "All" when they are all three)."""
        scores = [self.tasks[task].score for task in tasks]
        return Score(sum(s.avg for s in scores) / len(scores), sum(s.gap for s in scores) / len(scores))

    @property
    def all(self) -> Score | None:
        """Return the mean over the paper's three probes, or None if one is missing."""
        return self.mean(PAPER_TASKS) if set(PAPER_TASKS) <= set(self.tasks) else None

    def of_family(self, family: str, task: str | None = None) -> tuple[TaskResult, ...]:
        """Results of one family, and of one task where it is given, in the order of their keys."""
        return tuple(result for key, result in self.probes.items() if key.family == family and task in (None, key.task))


def shared_tasks(models: Sequence[ModelResult]) -> tuple[str, ...]:
    """Return the probes that every model has, in the order of the registry."""
    return tuple(task for task in registered() if all(task in model.tasks for model in models))


def with_main_tasks(models: Sequence[ModelResult]) -> tuple[ModelResult, ...]:
    """Return the models with `tasks` chosen: each probe at the paper's 32K if all models have it, else at the longest
    length that all have, else at each model's own longest."""
    chosen = {task: _main_length(models, task) for task in registered()}
    return tuple(replace(model, tasks=_at(model, chosen)) for model in models)


def _main_length(models: Sequence[ModelResult], task: str) -> int | None:
    lengths = [{result.key.length for result in model.of_family("", task)} for model in models]
    shared = set.intersection(*filter(None, lengths)) if any(lengths) else set()
    return PAPER_LENGTH if PAPER_LENGTH in shared else max(shared, default=None)


def _at(model: ModelResult, lengths: Mapping[str, int | None]) -> dict[str, TaskResult]:
    tasks = {}
    for task in registered():
        of_length = {result.key.length: result for result in model.of_family("", task)}
        if of_length:
            tasks[task] = of_length.get(lengths[task] or 0, of_length[max(of_length)])
    return tasks

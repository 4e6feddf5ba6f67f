"""Reading what lm_eval wrote: the newest results of each VAL probe in a folder, or in one file.

Nothing is guessed: a number outside 0..1, a missing row count or results of two models in one folder are errors
that name the file. Scores stay fractions here; percent is a matter of display. Cost: one parse per results file.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError, ReportError
from in2_plugin.reporting.reference import SPANS, TASKS

HOW_TO_RUN = "in2 lm-eval --model hf --model_args pretrained=MODEL --tasks val_probe --output_path FOLDER"
SHOWN_MODEL_ARGS = ("pretrained", "peft", "revision", "dtype", "load_in_4bit", "load_in_8bit")
"""Only these leave the results file: other model arguments may hold addresses and keys."""


@dataclass(frozen=True, slots=True)
class Score:
    """Average and Gap as fractions of one."""

    avg: float
    gap: float


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One probe of one model; `spans` divides the context evenly, None where no row of a span was scored."""

    task: str
    score: Score
    spans: tuple[float | None, ...]
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
    def scored_spans(self) -> int:
        return sum(value is not None for value in self.spans)

    @property
    def depths(self) -> tuple[float, ...]:
        """Relative depth in [0, 1] of the middle of each span."""
        return tuple((index + 0.5) / len(self.spans) for index in range(len(self.spans)))


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What one model scored; a probe that was not run is absent from `tasks`."""

    label: str
    source: Path
    model_name: str
    tasks: Mapping[str, TaskResult]
    notes: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(task for task in TASKS if task not in self.tasks)

    def mean(self, tasks: Sequence[str]) -> Score:
        """Plain mean over `tasks`, each weighing the same (the paper's "All" when they are all three)."""
        scores = [self.tasks[task].score for task in tasks]
        return Score(sum(s.avg for s in scores) / len(scores), sum(s.gap for s in scores) / len(scores))

    @property
    def all(self) -> Score | None:
        """The mean over the three probes, or None when one is missing."""
        return None if self.missing else self.mean(TASKS)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    content: Mapping[str, Any]

    def section(self, *keys: str) -> Mapping[str, Any]:
        value: Any = self.content
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    @property
    def tasks(self) -> tuple[str, ...]:
        results = self.section("results")
        return tuple(task for task in TASKS if f"val_probe_{task}" in results)

    @property
    def date(self) -> datetime | None:
        seconds = self.content.get("date")
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None

    @property
    def model_name(self) -> str:
        return str(self.content.get("model_name") or "unnamed model")


def read_model(source: Path) -> ModelResult:
    """Read a results file, or every `results_*.json` below a folder, taking the newest of each probe.

    Raises ReportError if there is no such path, no val_probe result in it, a file is damaged, or the files are
    of more than one model. Its label is the last part of the model's name.
    """
    files = [file for file in _open_all(source) if file.tasks]
    if not files:
        raise ReportError(f"{source} holds no val_probe results; run `{HOW_TO_RUN}`")
    names = sorted({file.model_name for file in files})
    if len(names) > 1:
        raise ReportError(f"{source} holds results of {len(names)} models ({', '.join(names)}); give one folder each")
    newest: dict[str, _File] = {}
    notes: list[str] = []
    for task in TASKS:
        having = sorted((file for file in files if task in file.tasks), key=_age)
        newest.update({task: having[-1]} if having else {})
        if len(having) > 1:
            notes.append(
                f"{source}: {len(having)} files hold val_probe_{task}; took the newest, {having[-1].path.name}"
            )
    tasks = {task: _task(file, task) for task, file in newest.items()}
    return ModelResult(Path(names[0]).name or names[0], source, names[0], tasks, tuple(notes))


def read_models(sources: Sequence[Path], labels: Sequence[str] = ()) -> tuple[ModelResult, ...]:
    """Read one model a source, in that order, each under a name of its own.

    Without `labels` the names are the shortest that differ: of the models, of the folders, the paths as given.
    Raises ConfigError if the labels are not one a source or not distinct; ReportError as `read_model`.
    """
    if labels and len(labels) != len(sources):
        raise ConfigError(f"there are {len(sources)} results but {len(labels)} labels; give --label once for each")
    models = [read_model(source) for source in sources]
    candidates: list[Sequence[str]] = (
        [labels]
        if labels
        else [
            [model.label for model in models],
            [source.resolve().name for source in sources],
            [str(source) for source in sources],
        ]
    )
    distinct = next((names for names in candidates if len(set(names)) == len(names)), None)
    if distinct is None:
        raise ConfigError(f"two results are both called `{_repeated(candidates[-1])}`; tell them apart with --label")
    return tuple(replace(model, label=name) for model, name in zip(models, distinct, strict=True))


def _repeated(names: Sequence[str]) -> str:
    return next(name for name in names if list(names).count(name) > 1)


def _age(file: _File) -> tuple[float, str]:
    return (file.date.timestamp() if file.date else 0.0, file.path.name)


def _open_all(source: Path) -> list[_File]:
    if not source.exists():
        raise ReportError(f"{source} does not exist; give the folder that lm_eval wrote with --output_path")
    return [_open(path) for path in (sorted(source.rglob("results_*.json")) if source.is_dir() else [source])]


def _open(path: Path) -> _File:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} is not a results file of lm_eval ({error}); remove it or run again") from error
    return _File(path, content if isinstance(content, dict) else {})


def _task(file: _File, task: str) -> TaskResult:
    name = f"val_probe_{task}"
    numbers = file.section("results", name)
    metadata = file.section("configs", name, "metadata")
    spans = _spans(file, task, metadata.get("probe_spans"))
    scored = [value for value in spans if value is not None]
    if not scored:
        raise ReportError(f"{file.path}: {name} has no scores (span_00 and on); run it again without --predict_only")
    avg, gap = (_fraction(file, name, key, numbers) for key in ("avg", "gap"))
    rows = file.section("n-samples", name).get("effective")
    if not isinstance(rows, int) or rows < len(scored):
        raise ReportError(f"{file.path}: {name} has {len(scored)} spans but n-samples says {rows}; run it again")
    version = file.section("versions").get(name, metadata.get("version"))
    return TaskResult(
        task=task,
        score=Score(
            sum(scored) / len(scored) if avg is None else avg, max(scored) - min(scored) if gap is None else gap
        ),
        spans=spans,
        rows=rows,
        version=str(version) if version is not None else None,
        options={
            key: str(value) for key, value in sorted(metadata.items()) if key.startswith("probe_") and value is not None
        },
        model_args={key: str(metadata[key]) for key in SHOWN_MODEL_ARGS if metadata.get(key) is not None},
        chat_template=bool(file.content["chat_template"]) if "chat_template" in file.content else None,
        date=file.date,
        lm_eval=file.content.get("lm_eval_version"),
        file=file.path,
    )


def _spans(file: _File, task: str, asked: Any) -> tuple[float | None, ...]:
    """As many spans as the context was divided into: `probe_spans`, or the paper's number."""
    name, most = f"val_probe_{task}", SPANS[task]
    if asked is not None and str(asked) not in map(str, range(1, most + 1)):
        raise ReportError(f"{file.path}: {name} has probe_spans = {asked!r}, which is not one of 1 to {most}")
    count = most if asked is None else int(asked)
    numbers = file.section("results", name)
    spans = tuple(_fraction(file, name, f"span_{index:02d}", numbers) for index in range(most))
    if any(value is not None for value in spans[count:]):
        raise ReportError(f"{file.path}: {name} has scores beyond its {count} spans (probe_spans); run it again")
    return spans[:count]


def _fraction(file: _File, name: str, metric: str, numbers: Mapping[str, Any]) -> float | None:
    value = numbers.get(f"{metric},none")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ReportError(f"{file.path}: {name} has {metric} = {value!r}, which is not between 0 and 1; run it again")
    return float(value)

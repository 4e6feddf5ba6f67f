"""Read lm_eval's results: the newest results of each VAL probe in a folder, or in one file.

Nothing is guessed: a number outside 0..1, a missing row count or results of two models in one folder are errors
that name the file. Cost: one parse per results file.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError, ProbeError, ReportError
from in2_plugin.probing.probes.matrix import SPANS as MATRIX_SPANS
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.scoring.curves import curve_from_positions
from in2_plugin.probing.scoring.scores import SetScores, scores_from_text
from in2_plugin.reporting.results import (
    PAPER_LENGTH,
    MeasuredBaselines,
    ModelResult,
    ProbeKey,
    Score,
    TaskResult,
    parse_task_name,
    with_main_tasks,
)

HOW_TO_RUN = "in2 lm-eval --model hf --model_args pretrained=MODEL --tasks val_probe --output_path FOLDER"
SHOWN_MODEL_ARGS = ("pretrained", "peft", "revision", "dtype", "load_in_4bit", "load_in_8bit")
"""The only model arguments that are reported: others may contain URLs and keys."""
SCORES = "scores_stderr,none"
"""Metric with the scores of single questions; lm_eval prints no metric with this ending."""


@dataclass(frozen=True, slots=True)
class ResultsFile:
    """One results file of lm_eval."""

    path: Path
    content: Mapping[str, Any]

    def section(self, *keys: str) -> Mapping[str, Any]:
        value: Any = self.content
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(name for name in self.section("results") if parse_task_name(name))

    @property
    def date(self) -> datetime | None:
        seconds = self.content.get("date")
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None

    @property
    def model_name(self) -> str:
        return str(self.content.get("model_name") or "unnamed model")


def read_model(source: Path) -> ModelResult:
    """Read a results file, or every `results_*.json` below a folder, taking the newest of each probe.

    Its label is the last part of the model's name. A model that ran no VAL probe has no `probes`.

    Raises:
        ReportError: there is no such path, a file is damaged, or the files are of more than one model.
    """
    files = open_results(source)
    files = [file for file in files if file.tasks] or files
    names = refuse_several_models(source, files)
    found: dict[ProbeKey, list[tuple[ResultsFile, str]]] = {}
    for file in sorted(files, key=age):
        for name in file.tasks:
            found.setdefault(_key(file, name), []).append((file, name))
    notes = tuple(took_newest(source, having) for having in found.values() if len(having) > 1)
    probes = {key: _task(*found[key][-1], key) for key in sorted(found, key=lambda key: key.order)}
    name = names[0] if names else source.name
    (model,) = with_main_tasks([ModelResult(Path(name).name or name, source, name, probes, {}, notes)])
    return model


def refuse_several_models(source: Path, files: Iterable[ResultsFile], known: Iterable[str] = ()) -> list[str]:
    """Return the name of the model of `files` and `known`, in a list that is empty without any.

    Raises:
        ReportError: there are several.
    """
    names = sorted({*known, *(file.model_name for file in files)})
    if len(names) > 1:
        raise ReportError(f"{source} holds results of {len(names)} models ({', '.join(names)}); give one folder each")
    return names


def refuse_without_results(model: ModelResult) -> None:
    """Raise ReportError, saying what to run, if `model` has no probe."""
    if not model.probes:
        raise ReportError(f"{model.source} holds no val_probe results; run `{HOW_TO_RUN}`")


def read_models(sources: Sequence[Path], labels: Sequence[str] = ()) -> tuple[ModelResult, ...]:
    """Read one model per source, in that order, each under a unique name.

    Without `labels` the names are the shortest that differ: of the models, of the folders, the paths as given.

    Raises:
        ConfigError: the labels are not one a source or not distinct.
        ReportError: as `read_model`.
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
    return with_main_tasks([replace(model, label=name) for model, name in zip(models, distinct, strict=True)])


def _repeated(names: Sequence[str]) -> str:
    return next(name for name in names if list(names).count(name) > 1)


def age(file: ResultsFile) -> tuple[float, str]:
    """Return a key that sorts files from old to new."""
    return (file.date.timestamp() if file.date else 0.0, file.path.name)


def took_newest(source: Path, having: Sequence[tuple[ResultsFile, str]]) -> str:
    """Return a note that several files hold a task."""
    file, name = having[-1]
    return f"{source}: {len(having)} files hold {name}; took the newest, {file.path.name}"


def open_results(source: Path) -> list[ResultsFile]:
    """Open a results file, or every `results_*.json` below a folder.

    Raises:
        ReportError: there is no such path, or a file is damaged.
    """
    if not source.exists():
        raise ReportError(f"{source} does not exist; give the folder that lm_eval wrote with --output_path")
    return [_open(path) for path in (sorted(source.rglob("results_*.json")) if source.is_dir() else [source])]


def _open(path: Path) -> ResultsFile:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} is not a results file of lm_eval ({error}); remove it or run again") from error
    return ResultsFile(path, content if isinstance(content, dict) else {})


def _key(file: ResultsFile, name: str) -> ProbeKey:
    parts = parse_task_name(name)
    assert parts is not None  # `ResultsFile.tasks` holds only such names
    named = 1024 * int(parts["thousands"]) if parts["thousands"] else PAPER_LENGTH
    asked = file.section("configs", name, "metadata").get("probe_length")
    try:
        length = named if asked is None else int(asked)
    except (TypeError, ValueError):
        raise ReportError(
            f"{file.path}: {name} has probe_length = {asked!r}, which is not a number of tokens"
        ) from None
    return ProbeKey(parts["family"] or "", parts["task"], parts["pattern"], length)


def _task(file: ResultsFile, name: str, key: ProbeKey) -> TaskResult:
    numbers = file.section("results", name)
    metadata = file.section("configs", name, "metadata")
    sets = _sets(file, name, numbers.get(SCORES))
    spans = _spans(file, name, key, metadata.get("probe_spans"), sets)
    scored = [value for value in spans if value is not None]
    if not scored:
        raise ReportError(f"{file.path}: {name} has no scores (span_00 and on); run it again without --predict_only")
    score = _score(file, name, "avg", "gap")
    rows = file.section("n-samples", name).get("effective")
    if not isinstance(rows, int) or rows < len(scored):
        raise ReportError(f"{file.path}: {name} has {len(scored)} spans but n-samples says {rows}; run it again")
    return TaskResult(
        key=key,
        name=name,
        score=score or Score(sum(scored) / len(scored), max(scored) - min(scored)),
        published=_score(file, name, "avg_paper", "gap_paper"),
        spans=spans,
        sets=sets,
        baselines=MeasuredBaselines(fraction(file, name, "echo"), fraction(file, name, "other")),
        rows=rows,
        **run_facts(file, name),
    )


def run_facts(file: ResultsFile, name: str) -> dict[str, Any]:
    """Return the fields of a `TaskResult` that say how a task was run."""
    metadata = file.section("configs", name, "metadata")
    version = file.section("versions").get(name, metadata.get("version"))
    return {
        "unfinished": fraction(file, name, "unfinished_thoughts"),
        "version": str(version) if version is not None else None,
        "options": {
            key: str(value) for key, value in sorted(metadata.items()) if key.startswith("probe_") and value is not None
        },
        "model_args": {key: str(metadata[key]) for key in SHOWN_MODEL_ARGS if metadata.get(key) is not None},
        "chat_template": bool(file.content["chat_template"]) if "chat_template" in file.content else None,
        "date": file.date,
        "lm_eval": file.content.get("lm_eval_version"),
        "file": file.path,
    }


def _sets(file: ResultsFile, name: str, text: Any) -> tuple[SetScores, ...]:
    """Scores of single questions; none in results of versions that did not write them."""
    if text is None:
        return ()
    try:
        return scores_from_text(str(text))
    except ProbeError as problem:
        raise ReportError(f"{file.path}: {name}: {problem}") from None


def _spans(
    file: ResultsFile, name: str, key: ProbeKey, asked: Any, sets: Sequence[SetScores]
) -> tuple[float | None, ...]:
    """Return the number of spans of the context: `probe_spans`, or the paper's number."""
    declared = MATRIX_SPANS if key.family == "matrix" else PROBES[key.task].spans
    if (asked is not None and not str(asked).isdecimal()) or asked in (0, "0"):
        raise ReportError(f"{file.path}: {name} has probe_spans = {asked!r}, which is not a number of spans")
    count = declared if asked is None else int(asked)
    if count > declared:
        if not sets:
            raise ReportError(f"{file.path}: {name} has {count} spans (probe_spans) but no scores_stderr; run it again")
        return _computed_spans(sets, count)
    spans = tuple(fraction(file, name, f"span_{index:02d}") for index in range(declared))
    if any(value is not None for value in spans[count:]):
        raise ReportError(f"{file.path}: {name} has scores beyond its {count} spans (probe_spans); run it again")
    return spans[:count]


def _computed_spans(sets: Sequence[SetScores], count: int) -> tuple[float | None, ...]:
    rows = [
        (score, position, one.n_positions, one.set)
        for one in sets
        for position, score in zip(one.positions, one.scores, strict=True)
    ]
    return curve_from_positions(rows, count).spans


def _score(file: ResultsFile, name: str, avg: str, gap: str) -> Score | None:
    values = fraction(file, name, avg), fraction(file, name, gap)
    return None if values[0] is None or values[1] is None else Score(values[0], values[1])


def fraction(file: ResultsFile, name: str, metric: str) -> float | None:
    """Return a metric of a task, None if it is absent or nan.

    Raises:
        ReportError: it is not between 0 and 1.
    """
    value = file.section("results", name).get(f"{metric},none")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ReportError(f"{file.path}: {name} has {metric} = {value!r}, which is not between 0 and 1; run it again")
    return float(value)

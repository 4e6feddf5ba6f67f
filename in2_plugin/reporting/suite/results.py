"""Read lm_eval's results for tasks other than our probes: the newest value of each task and metric.

Invariant: every value is a fraction of one or is refused, and shots and number of items come from the same file as
the value. Cost: one parse per results file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ReportError

NOT_MEASURED = -1
"""Value of lm_eval's RULER tasks for a length that was not requested."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of one task."""

    value: float
    stderr: float | None
    shots: frozenset[int]
    """Of the task, or of all tasks of a group."""
    items: int
    """Number of scored items."""
    original: int
    """Number of all items; more than `items` if --limit was given."""


class SuiteResults:
    """The results files of one model."""

    def __init__(self, source: Path) -> None:
        paths = sorted(source.rglob("results_*.json")) if source.is_dir() else [source]
        files = [(path, _read(path)) for path in paths]
        # newest first; the name contains the time, too
        self._files = sorted(files, key=lambda file: (_date(file[1]), file[0].name), reverse=True)
        self._source = source

    def newest(self, task: str, metric: str) -> Measured | None:
        """`metric` is `METRIC,FILTER`; None where it was not measured.

        Raises:
            ReportError: the value is not a fraction of one.
        """
        for path, content in self._files:
            numbers = _section(content, "results").get(task)
            value = numbers.get(metric) if isinstance(numbers, dict) else None
            if value is None or (metric.partition(",")[0].isdecimal() and value == NOT_MEASURED):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ReportError(
                    f"{path}: {task} has {metric} = {value!r}, which is not between 0 and 1; run it with lm_eval "
                    "0.4.11 or newer"
                )
            return _measured(content, task, metric, float(value))
        return None

    def refuse_two_models(self, tasks: Sequence[str]) -> None:
        """Raise ReportError when more than one model ran `tasks` in this folder."""
        names = {
            str(content.get("model_name"))
            for _, content in self._files
            if any(task in _section(content, "results") for task in tasks)
        }
        if len(names) > 1:
            listed = ", ".join(sorted(names))
            raise ReportError(f"{self._source} holds results of {len(names)} models ({listed}); give one folder each")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} is not a results file of lm_eval ({error}); remove it or run again") from error
    return content if isinstance(content, dict) else {}


def _section(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _date(content: Mapping[str, Any]) -> float:
    date = content.get("date")
    return float(date) if isinstance(date, int | float) else 0.0


def _measured(content: Mapping[str, Any], task: str, metric: str, value: float) -> Measured:
    name, _, filter_name = metric.partition(",")
    stderr = _section(content, "results")[task].get(f"{name}_stderr,{filter_name}")
    leaves = _leaves(content, task)
    counts = [_section(_section(content, "n-samples"), leaf) for leaf in leaves]
    shots = (_section(content, "n-shot").get(leaf) for leaf in leaves)
    return Measured(
        value=value,
        stderr=float(stderr) if isinstance(stderr, int | float) else None,
        shots=frozenset(int(one) for one in shots if isinstance(one, int)),
        items=sum(int(count.get("effective") or 0) for count in counts),
        original=sum(int(count.get("original") or 0) for count in counts),
    )


def _leaves(content: Mapping[str, Any], task: str) -> list[str]:
    """Return the tasks of a group, nested groups included; a task that is no group stands for itself."""
    parts = _section(content, "group_subtasks").get(task)
    if not isinstance(parts, list) or not parts:
        return [task]
    return [leaf for part in parts for leaf in _leaves(content, str(part))]

"""Results files as lm_eval writes them, for the tests of this room: the paper's curves, or any other."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from in2_plugin.reporting.reference import PAPER_CURVES

ROWS = {"document": 3200, "code": 2887, "database": 2998}
OPTIONS = {
    "probe_length": 32768,
    "probe_sets": 4,
    "probe_questions": "all",
    "probe_seed": 1,
    "probe_template": "film",
}
DATE = 1_763_000_000.0

Spans = Sequence[float | None]


def paper_spans(name: str) -> dict[str, Spans]:
    """The three curves of `Mistral` or `FILM` as fractions."""
    return {task: [v / 100 for v in curves[f"{name}, paper"]] for task, curves in PAPER_CURVES.items()}


def task_numbers(spans: Spans) -> dict[str, float | str | None]:
    """The metrics of one probe, averages and gap over the spans that have data."""
    scored = [value for value in spans if value is not None]
    avg = sum(scored) / len(scored)
    numbers: dict[str, float | str | None] = {f"span_{i:02d},none": value for i, value in enumerate(spans)}
    return {"alias": "x", "acc,none": avg, "avg,none": avg, "gap,none": max(scored) - min(scored), **numbers}


def content(model: str, curves: Mapping[str, Spans], rows: int | None = None, **options: Any) -> dict[str, Any]:
    """A results file; `options` replace or add to the probe's metadata."""
    metadata = {"version": 1.0, **OPTIONS, "pretrained": model, "api_key": "secret", **options}
    return {
        "results": {"val_probe": {"avg,none": 0.5}}
        | {f"val_probe_{task}": task_numbers(spans) for task, spans in curves.items()},
        "configs": {f"val_probe_{task}": {"task": f"val_probe_{task}", "metadata": metadata} for task in curves},
        "versions": {f"val_probe_{task}": 1.0 for task in curves},
        "n-samples": {
            f"val_probe_{task}": {"original": ROWS[task], "effective": rows or ROWS[task]} for task in curves
        },
        "date": DATE,
        "model_name": model,
        "chat_template": "{{ messages }}",
        "lm_eval_version": "0.4.11",
    }


def write(folder: Path, value: Mapping[str, Any], time: str = "2026-11-20T10-00-00.000000") -> Path:
    """Write a results file where lm_eval puts it: below a folder named after the model."""
    path = folder / str(value["model_name"]).replace("/", "__") / f"results_{time}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path

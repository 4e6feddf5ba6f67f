"""Results files as lm_eval writes them, for the tests of this room: the paper's curves, or any other."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.scoring.curves import Curve, curve_from_positions
from in2_plugin.probing.scoring.scores import SetScores, as_text
from in2_plugin.reporting.paper_numbers import PAPER_CURVES

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
    """A results file of a version that wrote no single scores; `options` replace or add to the probe's metadata."""
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


def drawn_sets(curve: Spans, items: int, seed: int, n_sets: int = 4, graded: bool = False) -> tuple[SetScores, ...]:
    """Scores of single questions whose chances follow `curve`; graded ones are word recalls between 0.2 and 1."""
    rng = np.random.default_rng(seed)
    chances = np.array(curve, dtype=float)[np.arange(items) * len(curve) // items]
    sets = []
    for index in range(n_sets):
        right = rng.random(items) < chances
        scores = np.where(right, 1.0, rng.integers(4, 11, items) / 20 if graded else 0.0)
        sets.append(SetScores(index, items, tuple(range(items)), tuple(map(float, scores))))
    return tuple(sets)


def measured(sets: Sequence[SetScores], n_spans: int) -> Curve:
    """The curve of single scores."""
    rows = [(s, p, one.n_positions, one.set) for one in sets for p, s in zip(one.positions, one.scores, strict=True)]
    return curve_from_positions(rows, n_spans)


def add(value: dict[str, Any], name: str, sets: Sequence[SetScores], spans: int | None = None, **options: Any) -> None:
    """Add the task `name` with single scores to a results file; `options` as in `content`."""
    task = next(task for task in PROBES if task in name)
    declared = 16 if "matrix" in name else PROBES[task].spans
    n_spans = spans or declared
    found = measured(sets, n_spans)
    shown = found.spans if n_spans <= declared else [None] * declared
    numbers = {f"span_{i:02d},none": (shown[i] if i < len(shown) else None) for i in range(declared)}
    metadata = {"version": 2.0, **OPTIONS, **options} | ({"probe_spans": spans} if spans else {})
    value["results"][name] = {
        "avg,none": found.avg, "gap,none": found.gap, **numbers, "scores_stderr,none": as_text(sets),
        "echo,none": 0.381 if task == "document" else 0.0, "other,none": 0.117 if task == "document" else 0.001,
    }  # fmt: skip
    value["configs"][name] = {"task": name, "metadata": metadata}
    value["versions"][name] = 2.0
    rows = sum(len(one.scores) for one in sets)
    value["n-samples"][name] = {"original": rows, "effective": rows}


def scored(model: str, curves: Mapping[str, Spans], seed: int = 0, items: int = 200, **options: Any) -> dict[str, Any]:
    """A results file of the three probes with single scores drawn from `curves`."""
    value = content(model, {})
    for task, spans in curves.items():
        add(value, f"val_probe_{task}", drawn_sets(spans, items, seed, graded=task == "document"), **options)
    return value


def rich(model: str, curves: Mapping[str, Spans], seed: int) -> dict[str, Any]:
    """A results file with every kind of probing; scores fall with length, style matters more than pattern."""
    value = content(model, {})
    for task, spans in curves.items():
        graded = task == "document"
        for thousands, share in ((4, 1.0), (8, 0.9), (32, 0.7)):
            sets = drawn_sets([share * (v or 0.0) for v in spans], 5 * thousands, seed, graded=graded)
            add(value, f"val_probe_{task}_{thousands}k", sets, probe_length=1024 * thousands)
        add(value, f"val_probe_closed_book_{task}", drawn_sets([0.02] * len(spans), 160, seed))
        for i, pattern in enumerate(("forward", "backward", "bidirectional")):
            chance = {"document": 0.9, "code": 0.5, "database": 0.3}[task] - 0.05 * i
            add(value, f"val_probe_matrix_{task}_{pattern}", drawn_sets([chance] * 16, 160, seed))
        add(value, f"val_probe_paper_{task}", drawn_sets(spans, 160, seed, graded=graded))
        value["results"][f"val_probe_paper_{task}"] |= {"avg_paper,none": 0.85, "gap_paper,none": 0.125}
    return value


def write(folder: Path, value: Mapping[str, Any], time: str = "2026-11-20T10-00-00.000000") -> Path:
    """Write a results file where lm_eval puts it: below a folder named after the model."""
    path = folder / str(value["model_name"]).replace("/", "__") / f"results_{time}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path

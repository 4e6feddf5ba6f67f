"""The report as JSON, for machines: every number at full precision, as fractions of one.

`schema` is raised whenever a key changes its meaning or goes; keys may be added without. Equal results give equal
bytes.
"""

from typing import Any

import in2_plugin
from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.noise import DRAWS, SEED
from in2_plugin.reporting.reference import FLOORS, PAPER_CURVES, PAPER_ROWS
from in2_plugin.reporting.results import ModelResult, Score, TaskResult

SCHEMA = 1


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison and the paper's numbers as JSON values; scores are fractions, absent ones null."""
    return {
        "schema": SCHEMA,
        "in2_plugin": in2_plugin.__version__,
        "summary": comparison.summary,
        "warnings": list(comparison.warnings),
        "notes": list(comparison.notes),
        "models": [_model(comparison, model) for model in comparison.models],
        "flat_model": {"draws": DRAWS, "seed": SEED},
        "paper": _paper(),
    }


def _model(comparison: Comparison, model: ModelResult) -> dict[str, Any]:
    return {
        "label": model.label,
        "model_name": model.model_name,
        "source": str(model.source),
        "all": _score(model.all),
        "missing": list(model.missing),
        "tasks": {task: _task(comparison, model, result) for task, result in model.tasks.items()},
    }


def _task(comparison: Comparison, model: ModelResult, result: TaskResult) -> dict[str, Any]:
    flat = comparison.flat[model.label, result.task]
    return {
        "avg": result.score.avg,
        "gap": result.score.gap,
        "spans": list(result.spans),
        "rows": result.rows,
        "flat_gap": {"expected": flat.expected, "percentile_95": flat.percentile_95},
        "gap_beyond_chance": comparison.beyond_chance(model, result.task),
        "options": dict(result.options),
        "model_args": dict(result.model_args),
        "chat_template_applied": result.chat_template,
        "task_version": result.version,
        "date": result.date.isoformat() if result.date else None,
        "lm_eval": result.lm_eval,
        "file": str(result.file),
    }


def _score(score: Score | None) -> dict[str, float] | None:
    return {"avg": score.avg, "gap": score.gap} if score else None


def _paper() -> dict[str, Any]:
    return {
        "rows": [
            {
                "name": row.name,
                "measured": row.measured,
                **{task: _score(Score(_part(avg), _part(gap))) for task, (avg, gap) in row.numbers.items()},
            }
            for row in PAPER_ROWS
        ],
        "curves": {
            task: {name: [_part(value) for value in values] for name, values in curves.items()}
            for task, curves in PAPER_CURVES.items()
        },
        "floors": {
            task: [{"score": _part(floor.score), "meaning": floor.explanation} for floor in floors]
            for task, floors in FLOORS.items()
        },
    }


def _part(percent: float) -> float:
    """Percent as a fraction, without the binary tail of the division."""
    return round(percent / 100, 6)

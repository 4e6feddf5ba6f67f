"""Write the report as JSON: every number at full precision, as fractions of one.

`schema` increases whenever a key changes its meaning or is removed, not when one is added. Equal results give equal
bytes. Schema 2: `flat_gap` comes from shuffled scores if they are known, `probes` has everything that was run.
"""

from collections.abc import Sequence
from typing import Any

import in2_plugin
from in2_plugin.probing.scoring.dip import PositionEffect
from in2_plugin.probing.scoring.statistics import SHARE, Interval
from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.evidence import DRAWS, SEED, Change, Evidence
from in2_plugin.reporting.paper_numbers import PAPER_BASELINES, PAPER_CURVES, PAPER_ROWS
from in2_plugin.reporting.results import ModelResult, Score, TaskResult
from in2_plugin.reporting.text.lengths import effective, length_tasks
from in2_plugin.reporting.text.matrix import explained, matrix_lengths, matrix_results
from in2_plugin.reporting.verdict import ProbeVerdict

SCHEMA = 2


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison and the paper's numbers as JSON values; scores are fractions, absent ones null."""
    return {
        "schema": SCHEMA,
        "in2_plugin": in2_plugin.__version__,
        "summary": comparison.summary,
        "warnings": list(comparison.warnings),
        "notes": list(comparison.notes),
        "models": [_model(comparison, model) for model in comparison.models],
        "verdicts": [_verdict(one) for one in comparison.verdicts],
        "differences": [_change(one) for one in comparison.changes],
        "estimates": {"draws": DRAWS, "seed": SEED, "confidence": 0.95, "effective_length_share": SHARE},
        "paper": _paper(),
    }


def _model(comparison: Comparison, model: ModelResult) -> dict[str, Any]:
    return {
        "label": model.label,
        "model_name": model.model_name,
        "source": str(model.source),
        "all": _score(model.all),
        "all_avg_interval": _interval(comparison.overall[model.label]),
        "all_position": _position(comparison.overall_position[model.label]),
        "missing": list(model.missing),
        "tasks": {task: _task(comparison.of(model, result), result) for task, result in model.tasks.items()},
        "probes": [_task(comparison.of(model, result), result) for result in model.probes.values()],
        "effective_lengths": {task: effective(model, task) for task in length_tasks(comparison)},
        "matrix": [_matrix(model, length) for length in matrix_lengths(model)],
    }


def _task(known: Evidence, result: TaskResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "family": result.key.family or "val",
        "task": result.task,
        "pattern": result.key.pattern,
        "length": result.key.length,
        "digest": result.position.digest if result.position else None,
        "position": _position(known.position),
        "avg": result.score.avg,
        "gap": result.score.gap if result.has_curve else None,
        "as_published": _score(result.published),
        "spans": list(result.spans),
        "intervals": _intervals(known),
        "rows": result.rows,
        "floors": {"echo": result.baselines.echo, "other": result.baselines.other},
        "unfinished_thoughts": result.unfinished,
        "flat_gap": _flat(known),
        "gap_beyond_chance": known.beyond_chance,
        "options": dict(result.options),
        "model_args": dict(result.model_args),
        "chat_template_applied": result.chat_template,
        "task_version": result.version,
        "date": result.date.isoformat() if result.date else None,
        "lm_eval": result.lm_eval,
        "file": str(result.file),
    }


def _intervals(known: Evidence) -> dict[str, Any] | None:
    if known.intervals is None:
        return None
    spans = [_interval(limits) for limits in known.intervals.spans]
    return {"avg": _interval(known.avg), "gap": _interval(known.gap), "spans": spans}


def _flat(known: Evidence) -> dict[str, Any] | None:
    if not known.flat.draws:
        return None
    return {
        "method": "shuffled scores" if known.is_exact else "binomial",
        "expected": known.flat.expected,
        "percentile_95": known.flat.percentile_95,
        "at_least": known.flat.at_least,
        "draws": known.flat.draws,
        "p_value": known.flat.p_value,
    }


def _matrix(model: ModelResult, length: int) -> dict[str, Any]:
    shares = explained(matrix_results(model, length))
    return {
        "length": length,
        "explained_by_pattern": shares.pattern if shares else None,
        "explained_by_style": shares.style if shares else None,
    }


def _change(change: Change) -> dict[str, Any]:
    one = change.difference
    return {
        "before": change.before,
        "after": change.after,
        "tasks": list(change.tasks),
        "same_questions": one.is_paired,
        "position": _position(change.position),
        "avg": one.avg,
        "avg_interval": _interval(one.avg_interval),
        "gap": one.gap,
        "gap_interval": _interval(one.gap_interval),
    }


def _verdict(one: ProbeVerdict) -> dict[str, Any]:
    return {
        "task": one.task,
        "before": one.before,
        "model": one.after,
        "about": one.about,
        "verdict": one.verdict.name.lower(),
        "reason": one.reason,
    }


def _position(effect: PositionEffect | None) -> dict[str, Any] | None:
    if effect is None:
        return None
    found = {"dip": effect.dip, "slope": effect.slope, "middle": effect.middle}
    return {name: {"value": one.value, "interval": _interval(one.interval)} for name, one in found.items()}


def _interval(limits: Interval | None) -> Sequence[float] | None:
    return list(limits) if limits else None


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
            task: [{"score": _part(one.score), "meaning": one.explanation} for one in baselines]
            for task, baselines in PAPER_BASELINES.items()
        },
    }


def _part(percent: float) -> float:
    """Percent as a fraction, without the binary tail of the division."""
    return round(percent / 100, 6)

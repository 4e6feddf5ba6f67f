"""Read the results of position probes, in the form that VAL's results have: one `TaskResult` per task and length.

So evidence, verdicts, differences and plots are those of VAL. A set of scores is a question, a position is a depth.
Questions with several golds belong to no single depth: a result that has no others has no curve, only its average.
Invariant: the numbers come from the scored answers in the results file, never from its rounded means.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from in2_plugin.errors import ProbeError, ReportError
from in2_plugin.probing.position.scores import PositionScores, position_scores_from_text
from in2_plugin.probing.probes.registry import POSITION_PROBES
from in2_plugin.probing.scoring.curves import Curve, curve_from_positions
from in2_plugin.probing.scoring.scores import SetScores
from in2_plugin.reporting.read_results import (
    SCORES,
    ResultsFile,
    age,
    fraction,
    open_results,
    refuse_several_models,
    run_facts,
    took_newest,
)
from in2_plugin.reporting.results import (
    MeasuredBaselines,
    ModelResult,
    ProbeKey,
    Score,
    TaskResult,
    with_main_tasks,
)

CONTROL_TASKS = ("closed_book", "gold_only")
"""Families of the controls; the family of a task with contexts is empty."""


def read_position_models(models: Sequence[ModelResult]) -> tuple[ModelResult, ...]:
    """Return the position probes of each model, under its label; a model without any has no `probes`.

    Raises:
        ReportError: a results file is damaged, or the results are of another model.
    """
    return with_main_tasks([_read(model) for model in models])


def _read(model: ModelResult) -> ModelResult:
    found: dict[tuple[str, str], list[tuple[ResultsFile, str]]] = defaultdict(list)
    for file in sorted(open_results(model.source), key=age):
        for name in file.section("results"):
            if place := position_task(name):
                found[place].append((file, name))
    files = [file for having in found.values() for file, _ in having]
    refuse_several_models(model.source, files, {model.model_name} if model.probes else ())
    notes = tuple(took_newest(model.source, having) for having in found.values() if len(having) > 1)
    read = [result for place, having in found.items() for result in _results(*having[-1], *place)]
    results, ignored = _of_one_probe(read)
    probes = {result.key: result for result in sorted(results, key=lambda result: result.key.order)}
    return replace(model, probes=probes, tasks={}, notes=(*notes, *ignored))


def _of_one_probe(results: Sequence[TaskResult]) -> tuple[list[TaskResult], tuple[str, ...]]:
    """Return the results without controls that asked other questions than their probe, and a note on each of those."""
    asked = {one.task: _digest(one) for one in results if not one.key.family}
    kept = [one for one in results if _digest(one) == asked.get(one.task, _digest(one))]
    notes = {
        f"{one.file}: {one.name} asked other questions than {POSITION_PROBES[one.task].task('')}, so it is ignored; "
        "run both with the same options"
        for one in results
        if _digest(one) != asked.get(one.task, _digest(one))
    }
    return kept, tuple(sorted(notes))


def _digest(result: TaskResult) -> str:
    return result.position.digest if result.position else ""


def position_task(name: str) -> tuple[str, str] | None:
    """Return probe and family of an lm_eval task; None for a group, or a task of something else."""
    for probe in POSITION_PROBES:
        if name == probe:
            return (probe, "") if POSITION_PROBES[probe].task("") == name else None
        family = name.removeprefix(f"{probe}_")
        if family == "context" or (family != name and family in CONTROL_TASKS):
            return probe, "" if family == "context" else family
    return None


def _results(file: ResultsFile, name: str, probe: str, family: str) -> list[TaskResult]:
    scores = _scores(file, name)
    baselines = MeasuredBaselines(fraction(file, name, "echo"), fraction(file, name, "other"))
    facts = run_facts(file, name)
    return [_result(ProbeKey(family, probe, None, length), name, scores, baselines, facts) for length in scores.lengths]


def _scores(file: ResultsFile, name: str) -> PositionScores:
    text = file.section("results", name).get(SCORES)
    if text is None:
        raise ReportError(f"{file.path}: {name} has no scores_stderr; run it again without --predict_only")
    try:
        return position_scores_from_text(str(text))
    except ProbeError as problem:
        raise ReportError(f"{file.path}: {name}: {problem}") from None


def _result(
    key: ProbeKey, name: str, scores: PositionScores, baselines: MeasuredBaselines, facts: Mapping[str, Any]
) -> TaskResult:
    sets, scored = scores.sets(key.length), [one.score for one in scores.answers if one.length == key.length]
    curve = _curve(sets, scores.n_depths) if sets else Curve((None,) * scores.n_depths, fmean(scored), 0.0)
    return TaskResult(
        key=key,
        name=name,
        score=Score(curve.avg, curve.gap),
        published=None,
        spans=curve.spans,
        sets=sets,
        baselines=baselines,
        rows=len(scored),
        position=scores,
        **facts,
    )


def _curve(sets: Sequence[SetScores], n_depths: int) -> Curve:
    places = [(s, d, one.n_positions, one.set) for one in sets for d, s in zip(one.positions, one.scores, strict=True)]
    return curve_from_positions(places, n_depths)

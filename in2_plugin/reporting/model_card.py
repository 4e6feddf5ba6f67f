"""Write the scores for a model card: a table in Markdown, and model-index YAML that the Hugging Face Hub reads.

The YAML goes into the header of README.md (huggingface.co/docs/hub/model-cards#evaluation-results). Invariant: the
numbers are those of the page. `huggingface_hub` is imported here only (0.3 s).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import yaml

from in2_plugin.errors import ReportError
from in2_plugin.reporting.comparison import Comparison
from in2_plugin.reporting.paper_numbers import title
from in2_plugin.reporting.position.read import CONTROL_TASKS
from in2_plugin.reporting.position.section import control_score
from in2_plugin.reporting.results import ModelResult, TaskResult
from in2_plugin.reporting.text.wording import ABSENT, percent_or_absent, tokens, with_interval
from in2_plugin.sharing.card import table

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

METRICS = {"avg": "Average over depths, %", "dip": "Ends minus middle, points"}
CONTROLS = {"closed_book": "Closed book, %", "gold_only": "The gold alone, %"}


def model_card(comparisons: list[Comparison]) -> str:
    """Return the model-index header of the last model, and a table of all models.

    Args:
        comparisons: of the VAL probes and of position probes, of the same models; at least one.

    Raises:
        ReportError: the last model has no probe.
    """
    models = [comparison.models[-1] for comparison in comparisons]
    found = [one for comparison, model in zip(comparisons, models, strict=True) for one in _results(comparison, model)]
    if not found:
        what = f"{models[0].label} has" if models else "there are"
        raise ReportError(f"{what} no results of a probe; give results of a probe last")
    return f"---\n{_index(models[0].model_name, found)}---\n\n{_table(comparisons)}"


def _index(name: str, found: "list[EvalResult]") -> str:
    from huggingface_hub.repocard_data import eval_results_to_model_index

    index = {"model-index": eval_results_to_model_index(name, found)}
    return yaml.safe_dump(index, sort_keys=False, allow_unicode=True)


def _results(comparison: Comparison, model: ModelResult) -> "Iterator[EvalResult]":
    from huggingface_hub import EvalResult

    for task, result in model.tasks.items():
        for metric, value in _values(comparison, model, task, result).items():
            name = {**METRICS, **CONTROLS}[metric]
            yield EvalResult(
                task_type="question-answering",
                task_name="Question answering by depth of the answer",
                dataset_type=result.name,
                dataset_name=f"{title(task)}, {tokens(result.key.length)} tokens",
                dataset_args=_dataset_args(result),
                metric_type=metric,
                metric_name=name,
                metric_value=round(100 * value, 2),
            )


def _values(comparison: Comparison, model: ModelResult, task: str, result: TaskResult) -> dict[str, float]:
    effect = comparison.of(model, result).position
    dip = {"dip": effect.dip.value} if effect else {}
    controls = {family: control_score(model, task, family) for family in CONTROL_TASKS}
    return {"avg": result.score.avg, **dip, **{name: score for name, score in controls.items() if score is not None}}


def _dataset_args(result: TaskResult) -> dict[str, Any]:
    digest = {"questions": result.position.digest} if result.position else {}
    return {"length": result.key.length, "answers": result.rows, **digest}


def _table(comparisons: list[Comparison]) -> str:
    head = ("Probe", "Model", *METRICS.values(), *CONTROLS.values())
    rows = [row for comparison in comparisons for model in comparison.models for row in _rows(comparison, model)]
    return table(rows, head)


def _rows(comparison: Comparison, model: ModelResult) -> Iterator[tuple[str, ...]]:
    for task, result in model.tasks.items():
        known = comparison.of(model, result)
        dip = known.position.dip if known.position else None
        yield (
            f"{title(task)}, {tokens(result.key.length)}",
            " ".join(model.label.replace("|", "\\|").split()),
            with_interval(result.score.avg, known.avg),
            with_interval(dip.value, dip.interval, is_difference=True) if dip else ABSENT,
            *(percent_or_absent(control_score(model, task, family)) for family in CONTROLS),
        )

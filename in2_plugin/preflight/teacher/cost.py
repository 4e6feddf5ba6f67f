"""Estimate what the teacher of a distillation adds to the time and memory of a run.

Stored scores cost no time. A teacher in the step reads the gold rows in a forward pass before that of the model in
training. Pure arithmetic on lengths; docs/preflight.md derives each term. Invariant: estimates are upper bounds where
they depend on the batch.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from in2_plugin.preflight.costs import Gpu, Memory, ModelShape, Setup, layer_bytes
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.preflight.estimate import RunEstimate
from in2_plugin.teaching.rows import GoldOnlyRows
from in2_plugin.training.distillation.teachers import Teacher, teacher_sentence
from in2_plugin.training.options import DistillOptions

DIVERGENCE_BYTES = 12
"""Bytes per logit of an answer token for the divergence, in float32: log-probabilities of model and teacher, or two
copies of the model's logits with stored scores, and the gradient."""


@dataclass(frozen=True, slots=True)
class TeacherCost:
    """The teacher of a run."""

    who: str
    """Who it is, in one sentence."""
    gold_tokens: int
    """Tokens that it reads in one pass over the training examples; 0 with stored scores."""
    seconds: float | None
    """Its part of the time of the run; None if that is unknown."""

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def with_teacher(
    need: Memory, teachers: Sequence[Teacher], shape: ModelShape, setup: Setup, most_answer_tokens: int
) -> Memory:
    """Return the memory of a run with its teacher.

    Args:
        need: of the same run without a teacher.
        most_answer_tokens: largest number of supervised tokens in a row.
    """
    rows = _gold_rows(teachers)
    per_token = shape.vocabulary * setup.micro_batch
    if not rows:
        return replace(need, teacher=most_answer_tokens * per_token * DIVERGENCE_BYTES)
    questions, longest = max((one.largest for one in rows), key=lambda pair: pair[0] * pair[1])
    positions = questions * longest if setup.logits == "all" else most_answer_tokens
    logits = per_token * (positions * setup.compute_bytes + most_answer_tokens * DIVERGENCE_BYTES)
    # one layer at a time, before the model in training has any activations
    passing = layer_bytes(shape, setup, longest) * questions * setup.micro_batch / setup.tensor_parallel
    return replace(need, teacher=logits, activations=max(need.activations, passing))


def teacher_cost(
    teachers: Sequence[Teacher], distill: DistillOptions, shape: ModelShape, setup: Setup, gpu: Gpu,
    datasets: Sequence[DatasetSummary], run: RunEstimate | None,
) -> TeacherCost:  # fmt: skip
    """Return the cost of the teachers of all training datasets.

    Args:
        run: of the model in training alone; None if it is unknown.
    """
    who, lengths = teacher_sentence(teachers, distill), [one.lengths for one in _gold_rows(teachers)]
    tokens = sum(int(each.sum()) for each in lengths)
    if not lengths:
        return TeacherCost(who, 0, 0.0)
    if run is None:
        return TeacherCost(who, tokens, None)
    passes = run.tokens / max(1, sum(int(one.lengths.sum()) for one in datasets))
    # forward: 2 operations per weight, and 4 per pair of tokens and unit of width, halved by the causal mask
    pairs = sum(float((each.astype(np.float64) ** 2).sum()) for each in lengths)
    operations = 2 * (tokens * shape.active + pairs * shape.layers * shape.attention_width)
    speed = setup.gpus * gpu.tflops * 1e12 * run.mfu * run.efficiency
    return TeacherCost(who, tokens, passes * operations / speed)


def _gold_rows(teachers: Sequence[Teacher]) -> list[GoldOnlyRows]:
    return [one for one in teachers if isinstance(one, GoldOnlyRows)]

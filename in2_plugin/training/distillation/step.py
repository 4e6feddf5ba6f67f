"""Ask the teacher of a micro-batch: unpack its stored scores, or let a model in the step read the gold rows.

Invariant: with gold rows, every rank makes exactly one forward pass more per micro-batch, before that of the model in
training, so that sharded parameters are gathered on all ranks at the same time.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from in2_plugin.teaching.store import INITIAL
from in2_plugin.training.answer_logits import IGNORED, keep_supervised, targets_of
from in2_plugin.training.distillation.batch import GOLD, SCORES, unpack
from in2_plugin.training.distillation.divergence import LikeliestTokens, likeliest
from in2_plugin.training.options import TrainingOptions


def teacher_of(
    model: Any, unwrapped: Any, inputs: Mapping[str, Any], options: TrainingOptions
) -> LikeliestTokens | Tensor:
    """Return what the teacher says at each answer token of a micro-batch: likeliest tokens, or logits (n, vocabulary).

    Args:
        model: the model in training, as the trainer wraps it.
        unwrapped: the model in it, which may have an adapter.
        inputs: SCORES, or GOLD.

    Raises:
        ConfigError: there is neither, or an adapter cannot be switched off.
    """
    if SCORES in inputs:
        scores = unpack(inputs[SCORES])
        return scores.first(options.distill.top_k) if options.distill.top_k else scores
    if GOLD not in inputs:
        raise options.not_possible("these examples do not carry what a teacher says about their answers")
    if options.distill.teacher == INITIAL:
        with _without_adapter(unwrapped, options):
            logits = gold_logits(model, inputs[GOLD], at_answers=options.logits_at_answers)
    else:
        logits = gold_logits(model, inputs[GOLD], at_answers=options.logits_at_answers)
    k = options.distill.top_k
    return likeliest(logits, k) if k and k < logits.shape[1] else logits


def gold_logits(model: Any, gold: Mapping[str, Tensor], *, at_answers: bool) -> Tensor:
    """Return (n_supervised, vocabulary) logits of gold rows, without gradients and without dropout."""
    kept = keep_supervised(gold) if at_answers else dict(gold)
    targets = targets_of(kept)
    inputs = {name: value for name, value in kept.items() if name not in ("labels", "shift_labels")}
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            logits: Tensor = model(**inputs, use_cache=False)["logits"]
    finally:
        model.train(training)
    return logits[targets != IGNORED]


@contextmanager
def _without_adapter(model: Any, options: TrainingOptions) -> Iterator[None]:
    """Switch the adapter of a model off, so that it is the model before training."""
    configs = (getattr(model, "peft_config", None) or {}).values()
    if not hasattr(model, "disable_adapter"):
        raise options.not_possible("the model before training is not in memory: this adapter cannot be switched off")
    if any(getattr(config, "bias", "none") != "none" for config in configs):
        raise options.not_possible("the model before training is not in memory: the adapter trains biases of the model")
    with model.disable_adapter():
        yield

"""Ask the teacher of a micro-batch: unpack its stored scores, or let a model in the step read the gold rows.

Invariant: with gold rows, every rank makes exactly one forward pass more per micro-batch, before that of the model in
training, so that sharded parameters are gathered on all ranks at the same time.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from in2_plugin.errors import ConfigError
from in2_plugin.teaching.store import INITIAL, TeacherStore
from in2_plugin.training.answer_logits import IGNORED, keep_supervised, targets_of
from in2_plugin.training.distillation.batch import GOLD, SCORES, unpack
from in2_plugin.training.distillation.divergence import LikeliestTokens, likeliest
from in2_plugin.training.distillation.teachers import Teacher
from in2_plugin.training.options import TrainingOptions

KEEPS_WEIGHTS = (True, False, "gaussian", "eva", "orthogonal")
"""Values of PEFT's `init_lora_weights` that do not change the weights below the adapter."""


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
            logits = gold_logits(model, unwrapped, inputs[GOLD], at_answers=options.logits_at_answers)
    else:
        logits = gold_logits(model, unwrapped, inputs[GOLD], at_answers=options.logits_at_answers)
    k = options.distill.top_k
    return likeliest(logits, k) if k and k < logits.shape[1] else logits


def gold_logits(model: Any, unwrapped: Any, gold: Mapping[str, Tensor], *, at_answers: bool) -> Tensor:
    """Return (n_supervised, vocabulary) logits of gold rows, without gradients and without dropout."""
    kept = keep_supervised(gold) if at_answers else dict(gold)
    targets = targets_of(kept)
    inputs = {name: value for name, value in kept.items() if name not in ("labels", "shift_labels")}
    training = unwrapped.training  # that of DeepSpeed's engine is always True
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
    if reason := _not_initial_reason(model):
        raise _not_in_memory(reason, options)
    with model.disable_adapter():
        yield


def require_initial(model: Any, teachers: Sequence[Teacher], options: TrainingOptions) -> None:
    """Check, before training, that the model with its adapter off can be the teacher, if it has to be.

    Args:
        model: with its adapter, before the first step and before a checkpoint is loaded.
        teachers: of all examples, those held out included.

    Raises:
        ConfigError: with its adapter off, it is not the model before training.
    """
    if options.distill.teacher != INITIAL or all(isinstance(one, TeacherStore) for one in teachers):
        return
    if reason := _not_initial_reason(model) or _changed_reason(model):
        raise _not_in_memory(reason, options)


def require_known_tokens(model: Any, teachers: Sequence[Teacher]) -> None:
    """Check, before training, that a model has all tokens of stored scores: the head of a teacher may be larger.

    Raises:
        ConfigError: it has not.
    """
    known = model.config.get_text_config().vocab_size
    for store in (one for one in teachers if isinstance(one, TeacherStore)):
        if (token := store.highest_id()) >= known:
            raise ConfigError(
                f"{store.folder}: has scores of token number {token:,}, and the model in training has {known:,} "
                "tokens, numbered from 0; choose a teacher with as many tokens"
            )


def _not_initial_reason(model: Any) -> str | None:
    """Return why a model with its adapter off is not the model before training, or None if it may be."""
    if not hasattr(model, "disable_adapter"):
        return "this adapter cannot be switched off"
    configs = (getattr(model, "peft_config", None) or {}).values()
    if any(getattr(config, "bias", "none") != "none" for config in configs):
        return "the adapter trains biases of the model"
    inits = (getattr(config, "init_lora_weights", True) for config in configs)
    changing = next((init for init in inits if init not in KEEPS_WEIGHTS), None)
    return None if changing is None else f"`init_lora_weights: {changing}` changes the weights of the model"


def _changed_reason(model: Any) -> str | None:
    """Return why an adapter has an effect before training, or None if it has none."""
    configs = model.peft_config.values()
    # the product of orthogonal factors is zero, and other types have their zeros elsewhere
    if all(one.peft_type == "LORA" and one.init_lora_weights != "orthogonal" for one in configs):
        factors = (weights for name, weights in model.named_parameters() if "lora_B" in name and not weights.is_meta)
        if any(bool(weights.any()) for weights in factors):
            return "the adapter is not zero at the start, as it is if it was trained before"
    return None


def _not_in_memory(reason: str, options: TrainingOptions) -> ConfigError:
    return options.not_possible(
        f"the model before training is not in memory: {reason} (store its scores with `in2 teach`, as `initial`)"
    )

"""The options of our trainer, and which of them need our own loss. Imports no torch, so planning stays fast."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import PositiveFloat, PositiveInt

from in2_plugin.config.base import Config
from in2_plugin.errors import ConfigError

Normalization = Literal["token", "example"]
Weighting = Literal["token", "question", "opening"]
Objective = Literal["answer", "distill", "both"]
SPLIT_EXAMPLES = "under context parallelism each rank holds only part of an example"
"""Reason for which answer tokens cannot have different weights."""


class DistillOptions(Config):
    """Keys of `distill`: what a teacher that reads the gold segments alone contributes to the loss."""

    teacher: str = "initial"
    """Who reads the gold segments: the model before training (`initial`), the model in training (`current`), or the
    name of scores that `in2 teach` wrote."""
    weight: PositiveFloat = 1.0
    """Factor of the KL divergence under `objective: both`."""
    temperature: PositiveFloat = 1.0
    """Temperature of teacher and model in the KL divergence, which is multiplied by its square."""
    top_k: PositiveInt | None = None
    """Likeliest tokens of the teacher to tell apart at each answer token; all others count as one. By default all that
    are stored, or the whole vocabulary if the teacher reads during training."""

    @classmethod
    def of(cls, given: "DistillOptions | Mapping[str, Any] | None", objective: Objective) -> "DistillOptions":
        """Return the options of an objective.

        Raises:
            ConfigError: a key or value is wrong, or has no effect under this objective.
        """
        if given is not None and objective == "answer":
            raise ConfigError("`distill` has no effect under `objective: answer`; remove it, or set `objective: both`")
        options = given if isinstance(given, cls) else cls.parse(given or {}, "section `distill`")
        if objective == "distill" and options.weight != 1:
            raise ConfigError(
                "`distill.weight` has no effect under `objective: distill`, whose whole loss is the KL divergence; "
                "remove it, or set `objective: both`"
            )
        return options


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Options of the trainer; the defaults suit IN2 data."""

    logits_at_answers: bool = True
    loss_normalization: Normalization = "token"
    answer_weighting: Weighting = "token"
    objective: Objective = "answer"
    distill: DistillOptions = field(default_factory=DistillOptions)
    length_balanced: bool = True
    shift_labels: bool = False
    """Pass labels aligned with the logits where the host does not: if a row is split over ranks, the first token of
    each part is predicted by the previous rank."""

    @property
    def own_loss(self) -> str | None:
        """Return the option for which we compute the loss, as written in a config; None if the host does."""
        return own_loss_option(self.loss_normalization, self.answer_weighting, self.objective)

    @property
    def distills(self) -> bool:
        """Return True if a teacher takes part."""
        return self.objective != "answer"

    def not_possible(self, reason: str) -> ConfigError:
        """Return the error for the option for which we compute the loss."""
        return not_possible(str(self.own_loss), reason)


def own_loss_option(normalization: Normalization, weighting: Weighting, objective: Objective) -> str | None:
    """Return the option that needs the loss of each answer token, as written in a config; None if none does."""
    if objective != "answer":
        return f"objective: {objective}"
    if weighting != "token":
        return f"answer_weighting: {weighting}"
    return None if normalization == "token" else f"loss_normalization: {normalization}"


def not_possible(option: str, reason: str) -> ConfigError:
    """Return the error for an option that needs the loss of each answer token, such as `answer_weighting: opening`."""
    default = "answer" if option.startswith("objective") else "token"
    return ConfigError(f"`{option}` is not possible: {reason}; set it to `{default}`")

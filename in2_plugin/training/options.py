"""The options of our trainer, and which of them weigh answer tokens. Imports no torch, so planning stays fast."""

from dataclasses import dataclass
from typing import Literal

from in2_plugin.errors import ConfigError

Normalization = Literal["token", "example"]
Weighting = Literal["token", "question", "opening"]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Options of the trainer; the defaults suit IN2 data."""

    logits_at_answers: bool = True
    loss_normalization: Normalization = "token"
    answer_weighting: Weighting = "token"
    length_balanced: bool = True
    shift_labels: bool = False
    """Pass labels aligned with the logits where the host does not: if a row is split over ranks, the first token of
    each part is predicted by the previous rank."""

    @property
    def weighted_by(self) -> str | None:
        """Return `weighted_by` of these options."""
        return weighted_by(self.loss_normalization, self.answer_weighting)


def weighted_by(normalization: Normalization, weighting: Weighting) -> str | None:
    """Return the option that gives answer tokens different weights, as written in a config; None if none does.

    Raises:
        ConfigError: the two contradict each other.
    """
    if (normalization, weighting) == ("example", "question"):
        raise ConfigError(
            "`loss_normalization: example` gives every example the same weight and `answer_weighting: question` every "
            "answer; remove one of the two"
        )
    if weighting != "token":
        return f"answer_weighting: {weighting}"
    return None if normalization == "token" else f"loss_normalization: {normalization}"


def not_possible(option: str, reason: str) -> ConfigError:
    """Return the error for an option that weighs answer tokens, such as `answer_weighting: opening`."""
    return ConfigError(f"`{option}` is not possible: {reason}; set it to `token`")

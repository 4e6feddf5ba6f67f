"""The options of our trainer, and which of them weigh answer tokens. Imports no torch, so planning stays fast."""

from dataclasses import dataclass
from typing import Literal

from in2_plugin.errors import ConfigError

Normalization = Literal["token", "example"]
Weighting = Literal["token", "question", "opening"]
SPLIT_EXAMPLES = "under context parallelism each rank holds only part of an example"
"""Reason for which answer tokens cannot have different weights."""


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
        """Return the option that gives answer tokens different weights, as written in a config; None if none does."""
        return weighting_option(self.loss_normalization, self.answer_weighting)

    def not_possible(self, reason: str) -> ConfigError:
        """Return the error for the option that weighs answer tokens."""
        return not_possible(str(self.weighted_by), reason)


def weighting_option(normalization: Normalization, weighting: Weighting) -> str | None:
    """Return the option that gives answer tokens different weights, as written in a config; None if none does."""
    if weighting != "token":
        return f"answer_weighting: {weighting}"
    return None if normalization == "token" else f"loss_normalization: {normalization}"


def not_possible(option: str, reason: str) -> ConfigError:
    """Return the error for an option that weighs answer tokens, such as `answer_weighting: opening`."""
    return ConfigError(f"`{option}` is not possible: {reason}; set it to `token`")

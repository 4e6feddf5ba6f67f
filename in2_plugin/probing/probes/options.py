"""The `probe_*` options of a run, as lm_eval's `--metadata` carries them.

lm_eval hands a task its YAML metadata, all model arguments and `--metadata` in one dictionary, so every option of
ours starts with `probe_`. An unknown key with that prefix is an error that names the nearest option.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from in2_plugin.config import Config
from in2_plugin.probing.scoring.thoughts import GivenThoughts

PREFIX = "probe_"
NEW_TOKENS = 128
"""Tokens generated per question (official inference script); the same as `max_gen_toks` of the tasks."""


class ProbeOptions(Config):
    """How the contexts of one probe are built."""

    probe_length: int = Field(default=32_768, gt=NEW_TOKENS)
    """Tokens of the longest prompt, chat template and the 128 generated tokens included."""
    probe_sets: int = Field(default=4, ge=1)
    """Number of contexts, each with its own items (paper: 4)."""
    probe_questions: int | None = Field(default=None, ge=1)
    """Questions per context, at evenly spread positions; one per item when absent."""
    probe_spans: int | None = Field(default=None, ge=2)
    """Equal parts of the context that are scored separately; 16, and 15 for the database probe, when absent.
    The tasks have that many span metrics; with more spans, the curve comes from the scores by position."""
    probe_seed: int = 0
    """Another seed draws other items."""
    probe_pieces: str | None = None
    """Folder with document_sentences.jsonl, code_functions.jsonl, database_entities.jsonl; ours when absent."""
    probe_template: Literal["plain", "film"] = "plain"
    """`plain` for base models and with `--apply_chat_template`; `film` writes FILM's own [INST] tags."""
    probe_closed_book: bool = False
    """Ask without the context: shows what the questions alone, or the model's memory, give away."""
    probe_trust_endpoint: bool = False
    """Measure even when the server does not report how many tokens it has read."""
    probe_thoughts: GivenThoughts = "auto"
    """Score what follows the thoughts of a reasoning model. `opened`: each prompt opens a thought; `closed`: none does;
    `auto`: as the chat template says. `scored`: score the whole text."""
    probe_task_length: int | None = None
    """The length in the task's name; `probe_length` must be the same."""

    @model_validator(mode="after")
    def _check_task_length(self) -> Self:
        if self.probe_task_length not in (None, self.probe_length):
            raise ValueError(
                f"probe_length={self.probe_length} contradicts the name of the task, which is for "
                f"{self.probe_task_length}; leave it out, or use the task without a length in its name"
            )
        return self


def parse_options(given: Mapping[str, Any], origin: str) -> ProbeOptions:
    """Parse the `probe_*` keys of everything that lm_eval passes on, and ignore the rest.

    Raises:
        ConfigError: an unknown `probe_*` key, or a value out of bounds.
    """
    return ProbeOptions.parse({key: value for key, value in given.items() if key.startswith(PREFIX)}, origin)

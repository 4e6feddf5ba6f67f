"""The options of position probes, as lm_eval's `--metadata` carries them.

lm_eval hands a task its YAML metadata, all model arguments and `--metadata` in one dictionary, so options start with
`probe_`; only the folder of a probe is called `probe`. An unknown key with that prefix is an error that names the
nearest option. A probe declares its own options as a subclass.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field

from in2_plugin.config import Config
from in2_plugin.probing.probes.options import PREFIX
from in2_plugin.probing.scoring.thoughts import GivenThoughts


class PositionOptions(Config):
    """Options that every position probe has."""

    probe_trust_endpoint: bool = False
    """Measure even when the server does not report how many tokens it has read."""
    probe_thoughts: GivenThoughts = "auto"
    """As in `ProbeOptions`."""

    @classmethod
    def of(cls, lm_eval_args: Mapping[str, Any], task: str) -> Self:
        """Parse the options in everything that lm_eval passes on, and ignore the rest.

        Raises:
            ConfigError: an unknown `probe_*` key, or a value out of bounds; the sentence starts with `task`.
        """
        ours = {key: value for key, value in lm_eval_args.items() if key.startswith(PREFIX) or key in cls.model_fields}
        return cls.parse(ours, task)

    @classmethod
    def stated(cls) -> dict[str, Any]:
        """Return the defaults that every results file of a task contains: those of its own options, unless None."""
        own = {name: field for name, field in cls.model_fields.items() if name not in PositionOptions.model_fields}
        defaults = {name: field.get_default() for name, field in own.items() if not field.is_required()}
        return {name: default for name, default in defaults.items() if default is not None}


class GeneratedOptions(PositionOptions):
    """Options of a probe that makes its own contexts."""

    probe_length: int = Field(default=16_384, ge=256)
    """Tokens of the longest prompt, chat template and generated tokens included."""
    probe_questions: int = Field(default=100, ge=1)
    """Different questions; each is asked at every depth."""
    probe_depths: int = Field(default=10, ge=2)
    """Equal parts of the context in which each question is asked. Ends minus middle needs five or more."""
    probe_seed: int = 0
    """Another seed makes other questions and contexts."""

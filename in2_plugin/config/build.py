"""What a build file (`build.yml`) may say. Every field's explanation stands under the field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from in2_plugin.config.base import Config, uncounted
from in2_plugin.config.corpus import CorpusConfig
from in2_plugin.config.examples import AuditBounds, Distractors, Instructions, Lengths, Mixture, Positions
from in2_plugin.config.questions import QuestionsConfig
from in2_plugin.config.ray import RayConfig
from in2_plugin.errors import ConfigError


def _read_strategy(value: Any) -> Any:
    return {"strategy": value} if isinstance(value, str) else value


class BuildConfig(Config):
    """A whole build file."""

    output: Path = uncounted(...)
    """Folder of the dataset that is built; relative to the folder the command runs in."""
    tokenizer: str
    """Name or folder of the model to be trained: its tokenizer counts, its chat template renders."""
    seed: NonNegativeInt = 42
    """The same file and seed give the same bytes."""
    workers: PositiveInt | None = uncounted(None)
    """Processes that cut, compare and place; as many as there are cores, or CPUs in the Ray cluster, when absent. No
    byte depends on it."""
    template: Literal["chat", "film"] = "chat"
    """`chat`: the model's own chat template around FILM's instruction text. `film`: FILM's literal `[INST]`."""
    corpus: CorpusConfig = CorpusConfig()
    questions: QuestionsConfig = QuestionsConfig()
    mixture: Mixture = Mixture()
    instructions: Instructions = Instructions()
    lengths: Lengths = Lengths()
    positions: Annotated[Positions, BeforeValidator(_read_strategy)] = Positions()
    questions_per_context: Annotated[int, Field(ge=1, le=32)] = 1
    """Independent questions about one long context, one turn each. The paper has one; with k of them a given number
    of questions costs about 1/k of the training compute, but shares contexts."""
    distractors: Distractors = Distractors()
    audit: AuditBounds = uncounted(AuditBounds())
    ray: RayConfig = uncounted(RayConfig())

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        if self.mixture.general and not self.instructions.sources:
            raise ValueError(
                "`mixture.general` asks for conversations; name an instruction dataset under `instructions.sources`"
            )
        if self.distractors.judge_hardest and self.questions.writer == "extractive":
            raise ValueError(
                "`distractors.judge_hardest` asks a language model; `questions.writer: extractive` has none"
            )
        return self


def load_build_file(path: Path, overrides: Mapping[str, object] | None = None) -> BuildConfig:
    """Read and validate a build file; `overrides` replaces values by dotted key, as the command line does.

    Raises:
        ConfigError: the file is missing, is not YAML, or has an unknown key or an impossible value.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise ConfigError(f"{path}: cannot be read ({failure.strerror}); give the path of a build file") from None
    except yaml.YAMLError as failure:
        reason = " ".join(str(failure).split())
        raise ConfigError(f"{path}: is not valid YAML ({reason})") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values; start with `output:` and `tokenizer:`")
    for key, value in (overrides or {}).items():
        *sections, name = key.split(".")
        target = data
        for section in sections:
            target = target.setdefault(section, {})
        target[name] = value
    return BuildConfig.parse(data, str(path))

"""The root of a build file (`build.yml`) and the function that reads one.

Every field is followed by its explanation, which docs/build-file.md and the JSON schema repeat.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from in2_plugin.config.base import Config, changeable
from in2_plugin.config.corpus import CorpusConfig
from in2_plugin.config.examples import AuditBounds, Distractors, Instructions, Lengths, Mixture, Positions
from in2_plugin.config.questions import QuestionsConfig
from in2_plugin.config.ray import RayConfig
from in2_plugin.errors import ConfigError, one_line


def _read_strategy(value: Any) -> Any:
    return {"strategy": value} if isinstance(value, str) else value


class BuildConfig(Config):
    """A whole build file."""

    output: Path = changeable(...)
    """Folder to write the dataset to, relative to the current directory."""
    tokenizer: str
    """Name or folder of the model to train. Its tokenizer counts tokens and its chat template renders examples."""
    seed: NonNegativeInt = 42
    """Random seed. The same build file and seed give the same bytes."""
    workers: PositiveInt | None = changeable(None)
    """Number of worker processes. Default: one per core, or one per CPU of the Ray cluster. The dataset does not depend
    on it."""
    template: Literal["chat", "film"] = "chat"
    """`chat` renders FILM's instruction text with the model's own chat template; `film` writes FILM's literal `[INST]`
    tags."""
    corpus: CorpusConfig = CorpusConfig()
    questions: QuestionsConfig = QuestionsConfig()
    mixture: Mixture = Mixture()
    instructions: Instructions = Instructions()
    lengths: Lengths = Lengths()
    positions: Annotated[Positions, BeforeValidator(_read_strategy)] = Positions()
    questions_per_context: Annotated[int, Field(ge=1, le=32)] = 1
    """Independent questions per long context, one turn each. The paper uses one. With k, the same number of questions
    costs about 1/k of the training compute, but the questions share contexts."""
    distractors: Distractors = Distractors()
    audit: AuditBounds = changeable(AuditBounds())
    ray: RayConfig = changeable(RayConfig())

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        if self.mixture.general and not self.instructions.sources:
            raise ValueError(
                "`mixture.general` needs conversations; add an instruction dataset to `instructions.sources`"
            )
        self.questions.require_forms((f"mixture.{part}", kind, n) for part, kind, n in self.mixture.corpus_questions())
        if self.distractors.judge_hardest and not self.questions.writer_spec.asks_model:
            raise ValueError(
                f"`distractors.judge_hardest` needs a language model, and `questions.writer: {self.questions.writer}` "
                "uses none; set it to 0 or choose another writer"
            )
        return self


def load_build_config(path: str | Path, overrides: Mapping[str, object] | None = None) -> BuildConfig:
    """Read and validate a build file.

    Args:
        overrides: values that replace those of the file, by dotted key: `{"lengths.max": 8192}`.

    Raises:
        ConfigError: the file is missing, is not YAML, or has an unknown key or an invalid value.
    """
    return BuildConfig.parse(read_mapping(Path(path), "a build file", overrides or {}), str(path))


def read_mapping(path: Path, kind: str, overrides: Mapping[str, object]) -> dict[str, Any]:
    """Read a YAML file, which `kind` names in errors, and replace values by dotted key.

    Raises:
        ConfigError: the file is missing, is not YAML, or is not a mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise ConfigError(f"{path}: cannot be read ({failure.strerror}); give the path to {kind}") from None
    except yaml.YAMLError as failure:
        reason = one_line(failure)
        raise ConfigError(f"{path}: not valid YAML ({reason})") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values; start with `output:` and `tokenizer:`")
    for key, value in overrides.items():
        *sections, name = key.split(".")
        target = data
        for section in sections:
            target = target.setdefault(section, {})
        target[name] = value
    return data

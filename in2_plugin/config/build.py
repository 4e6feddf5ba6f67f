"""What a build file (`build.yml`) may say. Every field's explanation stands under the field.

"Unstated in the paper" marks a default that is our decision and no reproduction.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import NonNegativeInt, PositiveInt, field_validator, model_validator

from in2_plugin.config.base import Config
from in2_plugin.config.questions import QuestionsConfig, uncounted
from in2_plugin.errors import ConfigError

BUNDLED_CORPUS = "bundled:python-docs"


class Source(Config):
    """One source of documents. A bare string in the list means `path` alone."""

    path: str
    """`bundled:python-docs`, a file, a folder of files, a glob, or the name of a Hugging Face dataset."""
    format: Literal["auto", "bundled", "hf", "jsonl", "parquet", "text"] = "auto"
    """How to read `path`; `auto` decides by its ending (`.gz` and `.zst` are looked through)."""
    text_field: str = "text"
    """Field or column that holds the document, for JSONL, Parquet and Hugging Face datasets."""
    name: str | None = None
    """Configuration of a Hugging Face dataset, for example `realnewslike` of `allenai/c4`."""
    split: str = "train"
    """Split of a Hugging Face dataset."""
    limit: PositiveInt | None = None
    """Read at most this many documents of this source; all when absent."""


class CorpusConfig(Config):
    """Where text comes from and how it is cut into segments."""

    sources: tuple[Source, ...] = (Source(path=BUNDLED_CORPUS),)
    """Sources in reading order; the default is the bundled Python documentation."""
    segment_tokens: PositiveInt = 128
    """Minimal length of a segment in tokens of the model to be trained (paper, Algorithm 1)."""
    paper_exact: bool = False
    """Keep Algorithm 1 to the letter: a paragraph is never split, however long. Default: a paragraph longer
    than `segment_tokens` is split at sentence ends first."""

    @field_validator("sources", mode="before")
    @classmethod
    def _accept_bare_paths(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return [{"path": item} if isinstance(item, str) else item for item in value]
        return value

    @field_validator("sources")
    @classmethod
    def _need_one(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        if not value:
            raise ValueError("the list is empty; name a source, or leave the key out for the bundled corpus")
        return value


class Mixture(Config):
    """How many examples of each part; the paper's full run has 1.1M and 300K of these two."""

    fine_grained: NonNegativeInt = 1_100
    """Examples whose answer sits in one segment (paper, equation 1)."""
    integration: NonNegativeInt = 300
    """Examples whose answer needs several segments of one document (paper, equation 2)."""

    @model_validator(mode="after")
    def _ask_for_something(self) -> Self:
        if self.fine_grained + self.integration == 0:
            raise ValueError("the mixture asks for no example at all; set `fine_grained` or `integration`")
        return self


class Lengths(Config):
    """Length of an example in tokens of the model to be trained: template, context, question and answer."""

    min: PositiveInt = 4_096
    """Shortest example."""
    max: PositiveInt = 32_768
    """Longest example; the trainer's `sequence_len` must be at least this. Exact bounds and whether question
    and template count are unstated in the paper."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"`min` ({self.min}) is larger than `max` ({self.max})")
        return self


class BuildConfig(Config):
    """A whole build file."""

    output: Path = uncounted(...)
    """Folder of the dataset that is built; relative to the folder the command runs in."""
    tokenizer: str
    """Name or folder of the model to be trained: its tokenizer counts, its chat template renders."""
    seed: NonNegativeInt = 42
    """The same file and seed give the same bytes."""
    template: Literal["chat", "film"] = "chat"
    """`chat`: the model's own chat template around FILM's instruction text. `film`: FILM's literal `[INST]`."""
    corpus: CorpusConfig = CorpusConfig()
    questions: QuestionsConfig = QuestionsConfig()
    mixture: Mixture = Mixture()
    lengths: Lengths = Lengths()


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

"""The tree of a study file: arms, seeds, stages, lengths and measures. All numbers of a study are in this file.

`build` and `training` sections have the keys of `in2 build` and `in2 sft`; a study file must not contain those that the
harness sets (paths, seeds, dtype). Sections are merged: study, then stage, then arm. With `recipe: NAME`, the sections
of the study state what they change in build.yml and sft.yml of this recipe.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from in2_plugin.config import BuildConfig, Source
from in2_plugin.config.base import Config
from in2_plugin.config.build import read_mapping
from in2_plugin.config.corpus import bare_paths
from in2_plugin.config.probe import ProbeConfig
from in2_plugin.demo.settings import changed
from in2_plugin.errors import ConfigError
from in2_plugin.probing.scoring.dip import FIFTHS
from in2_plugin.recipe.folder import find_recipe

Section = dict[str, Any]
STUDY = Path(__file__).with_name("study.yml")
UNTRAINED, FIRST = "base", "first"
"""Names of the models before any training and after the first stage, which are not arms."""
HELD_OUT = "held_out_questions"
SET_BY_HARNESS = {
    "build": {"output", "tokenizer", "seed", "corpus.sources", "corpus.decontamination.against"},
    "training": {
        "model_name_or_path", "datasets", "output_dir", "seed", "data_seed", "bf16", "use_cpu", "save_strategy",
        "save_steps", "save_total_limit", "resume_from_checkpoint", "report_to", "push_to_hub",
    },
    "own_probe": {"output", "tokenizer", "seed", "corpus.sources"},
}  # fmt: skip


class Texts(Config):
    """The documents, and their division between training and everything that is measured."""

    sources: tuple[Source, ...]
    """As `corpus.sources` of a build file."""
    held_out: Annotated[float, Field(gt=0, lt=1)]
    """Share of the documents that no arm sees; chosen by a hash of the text."""

    @field_validator("sources", mode="before")
    @classmethod
    def _accept_bare_paths(cls, value: object) -> object:
        return bare_paths(value)


class Stage(Config):
    """One stage of training."""

    build: Section = Field(default_factory=dict)
    training: Section = Field(default_factory=dict)


class Arm(Config):
    """One arm. Without keys, it is the second stage as it is."""

    second_stage: bool = True
    """False for the model after the first stage."""
    build: Section = Field(default_factory=dict)
    training: Section = Field(default_factory=dict)
    gold_in_fifths: tuple[NonNegativeInt, ...] = (0, 1, 2, 3, 4)
    """Fifths of the depth in which all golds of the second stage must be; the harness checks the data."""


class Measure(Config):
    """Tasks of lm_eval, run together."""

    tasks: str
    metadata: Section = Field(default_factory=dict)
    max_gen_toks: PositiveInt | None = None
    """Default: that of the task."""


class Study(Config):
    """A whole study file."""

    seeds: tuple[NonNegativeInt, ...]
    """Each seed has its own first stage, data and order of examples."""
    texts: Texts
    build: Section = Field(default_factory=dict)
    """Keys of a build file that all stages share."""
    training: Section = Field(default_factory=dict)
    """Keys of `in2 sft` that all stages share."""
    first: Stage
    second: Stage
    arms: Annotated[dict[str, Arm], Field(min_length=1)]
    tolerance: Annotated[float, Field(ge=0, le=0.2)] = 0.02
    """Largest relative difference in answer tokens between the arms of a seed. Questions and steps must be equal."""
    save_steps: PositiveInt = 10
    """Optimizer steps between checkpoints: what a kill can cost."""
    trained_length: PositiveInt
    """Tokens of a context at which the primary outcome is measured."""
    probe_seed: NonNegativeInt
    """Draws the questions of the own probe and of the held-out questions. A pilot has another one."""
    own_probe: Section
    """Keys of a probe file (`in2 probe build`); its documents are held out."""
    held_out_questions: Section
    """Keys of a build file: questions about held-out documents, for the loss by depth."""
    measures: dict[str, Measure]
    """Measures by lm_eval. A measure of the task `in2_probe` uses `own_probe`."""
    probe_untrained: bool = True
    """Measure losses and multiple choice of the untrained model, too: it does not know the form of the questions."""
    smallest_effect: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Smallest difference in ends minus middle that counts, as a fraction."""
    short_task_margin: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Largest loss on short tasks that counts as no harm, as a fraction."""

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [*self.arms, *self.measures]
        wrong = [name for name in names if not name.replace("_", "").isalnum() or name in (UNTRAINED, FIRST)]
        if wrong:
            raise ValueError(
                f"`{wrong[0]}` cannot name an arm or a measure; use letters, digits and _, and neither `{UNTRAINED}` "
                f"nor `{FIRST}`"
            )
        return self

    def first_build(self) -> Section:
        """Return the build section of the first stage."""
        return changed(self.build, self.first.build)

    def second_build(self, arm: str) -> Section:
        """Return the build section of an arm's second stage."""
        return changed(changed(self.build, self.second.build), self.arms[arm].build)

    def first_training(self) -> Section:
        """Return the training section of the first stage."""
        return changed(self.training, self.first.training)

    def second_training(self, arm: str) -> Section:
        """Return the training section of an arm's second stage."""
        return changed(changed(self.training, self.second.training), self.arms[arm].training)

    @property
    def trained_arms(self) -> tuple[str, ...]:
        """Arms with a second stage."""
        return tuple(name for name, arm in self.arms.items() if arm.second_stage)


def load_study(path: Path) -> Study:
    """Read and validate a study file, its sections for `in2 build` and `in2 probe build` included.

    Raises:
        ConfigError: names the first wrong key or value.
    """
    study = Study.parse(read_study(path), str(path))
    for name, section in _builds(study).items():
        _refuse_own_keys(path, name, section, "build")
        mixture = BuildConfig.parse({**section, "output": "o", "tokenizer": "t"}, f"{path}, {name}").mixture
        if name == HELD_OUT and (mixture.integration or mixture.short_context):
            raise ConfigError(
                f"{path}: `{name}.mixture` must have `fine_grained` questions alone: others have no depth"
            )
    for name, section in _trainings(study).items():
        _refuse_own_keys(path, name, section, "training")
    _refuse_own_keys(path, "own_probe", study.own_probe, "own_probe")
    probe = ProbeConfig.parse({**study.own_probe, "output": "o", "tokenizer": "t"}, f"{path}, own_probe")
    if probe.depths < FIFTHS:
        raise ConfigError(
            f"{path}: `own_probe.depths: {probe.depths}` leaves fifths without a question; set {FIFTHS} or more"
        )
    return study


def read_study(path: Path) -> Section:
    """Read a study file, and replace `recipe` by the values of this recipe in `build` and `training`.

    Raises:
        ConfigError: the file is not YAML, or there is no such recipe.
    """
    values = read_mapping(path, "a study file", {})
    if name := values.pop("recipe", None):
        recipe = find_recipe(name).path
        for section, file in (("build", "build.yml"), ("training", "sft.yml")):
            shipped = read_mapping(recipe / file, f"a recipe with {file}", {})
            values[section] = changed(_without(shipped, SET_BY_HARNESS[section]), values.get(section) or {})
    return values


def _without(section: Mapping[str, Any], keys: set[str]) -> Section:
    """Return a section without some keys, in which a dot separates levels."""
    kept: Section = {}
    for key, value in section.items():
        inner = {one.removeprefix(f"{key}.") for one in keys if one.startswith(f"{key}.")}
        if key not in keys:
            kept[key] = _without(value, inner) if inner and isinstance(value, Mapping) else value
    return kept


def _builds(study: Study) -> dict[str, Section]:
    arms = {f"arms.{arm}.build": study.second_build(arm) for arm in study.trained_arms}
    held_out = changed(study.build, study.held_out_questions)
    return {"first.build": study.first_build(), **arms, HELD_OUT: held_out}


def _trainings(study: Study) -> dict[str, Section]:
    arms = {f"arms.{arm}.training": study.second_training(arm) for arm in study.trained_arms}
    return {"first.training": study.first_training(), **arms}


def _refuse_own_keys(path: Path, name: str, section: Section, kind: str) -> None:
    for key in sorted(SET_BY_HARNESS[kind]):
        value: Any = section
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            raise ConfigError(f"{path}: `{name}.{key}` is set by the harness; remove it")

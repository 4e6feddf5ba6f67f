"""Read `demo.yml` of a recipe folder: which sizes the demo has, and what each changes in the recipe's own files.

Every number of the demo is in that folder. Invariant: an unknown key of ours is an error; keys of build, probe and
training files are checked by the command that reads them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from in2_plugin.config.base import Config
from in2_plugin.config.build import read_mapping
from in2_plugin.errors import ConfigError

FILE = "demo.yml"
Changes = dict[str, Any]
"""Keys of a YAML file with their new values; a mapping changes only the keys that it names."""


class Evaluation(Config):
    """One run of `in2 lm-eval` per model."""

    tasks: Annotated[tuple[str, ...], Field(min_length=1)] = ("in2_probe", "val_probe")
    """Tasks of `in2 lm-eval`; `in2_probe` is the probe from documents that training does not see."""
    metadata: Changes = Field(default_factory=dict)
    """Options of the tasks, such as `probe_length`."""
    max_gen_toks: PositiveInt | None = None
    """Most tokens of an answer. Default: that of each task."""


class TrainingRound(Config):
    """A dataset and one training run on it, which starts from the model of the round before."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9.]+$")]
    """Names the files of the round if there are several, for example `1K`."""
    build: Changes = Field(default_factory=dict)
    """Changes to `build.yml`."""
    axolotl: Changes = Field(default_factory=dict)
    """Changes to `axolotl.yml`."""
    sft: Changes = Field(default_factory=dict)
    """Changes to `sft.yml`, which is used where Axolotl is not installed."""


class DemoSize(Config):
    """One size of the demo."""

    probe: Changes = Field(default_factory=dict)
    """Changes to `probe.yml`."""
    evaluation: Evaluation = Evaluation()
    rounds: Annotated[tuple[TrainingRound, ...], Field(min_length=1)]
    """Rounds of training in order; the model is evaluated before the first and after each."""
    seconds: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Time of each stage, by its name, on the machine whose `speed` is given."""


class DemoSettings(Config):
    """A whole `demo.yml`."""

    model: str | None = None
    """Model to train, by its name for `in2 model get`. Default: none, so `--model` must name one."""
    trainer: Literal["axolotl", "trl"] | None = None
    """Default: Axolotl if it is installed, otherwise TRL."""
    speed: PositiveFloat | None = None
    """Training speed in tokens per second of the machine on which `seconds` were measured, as the demo prints it."""
    short: DemoSize
    """`in2 demo`."""
    full: DemoSize
    """`in2 demo --full`."""


def load_settings(recipe: Path) -> DemoSettings:
    """Read the settings of a recipe folder.

    Raises:
        ConfigError: the folder has no demo.yml, or it has an unknown key or an invalid value.
    """
    path = recipe / FILE
    if not path.is_file():
        raise ConfigError(f"{recipe}: has no {FILE}, so it cannot be shown; give a recipe that has one")
    return DemoSettings.parse(read_mapping(path, "the settings of a demo", {}), str(path))


def changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with `changes`; nested mappings are merged, everything else is replaced."""
    merged = dict(values)
    for key, value in changes.items():
        before = merged.get(key)
        merged[key] = changed(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return merged


def merged(recipe: Path, source: str, *changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a YAML file of the recipe with changes, the later ones over the earlier.

    Raises:
        ConfigError: the recipe has no such file, or it is not valid YAML.
    """
    values = read_mapping(recipe / source, f"a recipe with {source}", {})
    for one in changes:
        values = changed(values, one)
    return values

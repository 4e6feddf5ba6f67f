"""The input of a preflight check (`Case`) and its output (`ConfigFinding`)."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from in2_plugin.preflight.costs import Gpu, Memory, Setup
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.preflight.shape import Model

Level = Literal["error", "warning", "note"]
"""`error`: the run would stop, or would not train on the data as built."""


@dataclass(frozen=True, slots=True)
class ConfigFinding:
    """One finding of a check, in one sentence, with its remedy."""

    level: Level
    where: str
    """Key of the config, or path of the dataset."""
    what: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """Return the fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Case:
    """A config with the properties of its model and data."""

    cfg: Any
    """The config as validated by Axolotl."""
    model: Model
    setup: Setup
    gpu: Gpu
    datasets: tuple[DatasetSummary, ...]
    memory: Memory
    tokenizer: Any = None

    @property
    def longest(self) -> int:
        """Return the tokens of the longest row before truncation or dropping."""
        return max((dataset.longest for dataset in self.datasets), default=0)

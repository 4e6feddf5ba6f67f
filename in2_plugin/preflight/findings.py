"""What a check of preflight reports, and what it may look at."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from in2_plugin.preflight.costs import Gpu, Memory, Setup
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.preflight.shape import Model

Level = Literal["error", "warning", "note"]
"""`error`: the run would stop, or train something else than what the data teaches."""


@dataclass(frozen=True, slots=True)
class ConfigFinding:
    """Something that a check found; one sentence each."""

    level: Level
    where: str
    """Key of the file, or dataset."""
    what: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """The fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Case:
    """A configuration with what was read of its model and data."""

    cfg: Any
    """As Axolotl validated it."""
    model: Model
    setup: Setup
    gpu: Gpu
    facts: tuple[DatasetSummary, ...]
    memory: Memory
    tokenizer: Any = None

    @property
    def longest(self) -> int:
        """Tokens of the longest row before anything is cut or dropped."""
        return max((facts.longest for facts in self.facts), default=0)

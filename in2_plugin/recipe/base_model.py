"""The base model of a recipe for tools that want to read it: itself, a folder in its place, or its published shape.

Invariant: nothing is downloaded but configurations and tokenizers, no weight is read, and what stands in for the model
is said. Cost: 6 s of imports.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from in2_plugin.errors import ConfigError
from in2_plugin.recipe.planning.published_models import CONFIGS


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model that a tool can read the configuration of."""

    name: str
    """As the file has it."""
    place: str
    """Where it is read: the same name, or a folder."""
    tokenizer: Any
    """None where there is none to read."""
    said: str
    """How it is read, in words."""


@contextmanager
def readable_model(name: str, instead: str | None = None) -> Iterator[BaseModel]:
    """The model, or what can stand in for it.

    Args:
        name: as the file has it.
        instead: a folder or name that the user gives in its place.

    Raises:
        ConfigError: its configuration cannot be read and its shape is not known here.
    """
    place = instead or name
    if _readable(place):
        tokenizer = _tokenizer(place)
        words = "" if tokenizer is not None else ", without its tokenizer"
        yield BaseModel(name, place, tokenizer, f"{place} was read{words}")
        return
    if place not in CONFIGS:
        raise ConfigError(
            f"the base model `{place}` cannot be read here (no such folder, or no network); make or download it, or "
            "give a folder in its place: `--base-model FOLDER`"
        )
    with TemporaryDirectory(prefix="in2-model-") as folder:
        Path(folder, "config.json").write_text(json.dumps(CONFIGS[place]), encoding="utf-8")
        said = f"{place} cannot be read here (no network?): its published shape stands in, its tokenizer was not seen"
        yield BaseModel(name, folder, None, said)


def _readable(place: str) -> bool:
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(place)
    except (OSError, ValueError):
        return False
    return True


def _tokenizer(place: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(place)
    except (OSError, ValueError, KeyError):
        return None

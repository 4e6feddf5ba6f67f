"""Find the shape of a recipe's base model: in the table of published models, or from its config.json.

Every shape names its source. Cost: nothing for a published model; 6 s of imports for any other.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError
from in2_plugin.preflight.costs import ModelShape
from in2_plugin.recipe.planning.published_models import CONFIGS, published_shape


@dataclass(frozen=True, slots=True)
class KnownShape:
    """A model's shape and its source."""

    name: str
    shape: ModelShape
    source: str


def known_shape(name: str, folder: Path) -> KnownShape:
    """Return the shape of a model by its name, or by a folder relative to the recipe's.

    Raises:
        ConfigError: the model is not in the table and cannot be read, for example without a network.
    """
    published = published_shape(name)
    if published is not None:
        return KnownShape(name, published, "its published config.json")
    where = folder / name
    return KnownShape(name, _read(str(where) if where.is_dir() else name), "read from its config.json")


def _read(name: str) -> ModelShape:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from in2_plugin.preflight.shape import shape_of

    try:
        config = AutoConfig.from_pretrained(name)
        with torch.device("meta"):
            skeleton: Any = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        return shape_of(config.get_text_config(), skeleton)
    except (OSError, ValueError, AttributeError, KeyError):
        raise ConfigError(
            f"cannot read the base model `{name}`, and its shape is not among the known ones ({', '.join(CONFIGS)}); "
            "create or download it, or give a folder with its config.json: `--base-model FOLDER`"
        ) from None

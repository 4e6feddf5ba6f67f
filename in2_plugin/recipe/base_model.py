"""Open a recipe's base model for the tools that validate: the model itself, a replacement, or its published config.

Downloads at most configs and tokenizers, never weights. Each model states its source. Cost: 6 s of imports.
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
    """A model whose config the tools can read."""

    name: str
    """As in the training file."""
    path: str
    """The name or folder that the tools read."""
    tokenizer: Any
    """None if it is not available."""
    source: str
    """Where config and tokenizer come from, as a sentence."""


@contextmanager
def readable_model(name: str, replacement: str | None = None) -> Iterator[BaseModel]:
    """Yield the model, its replacement, or a temporary folder with its published config.

    Args:
        name: as in the training file.
        replacement: a folder or name that the user gives instead.

    Raises:
        ConfigError: the config cannot be read, and the model is not among the published ones.
    """
    path = replacement or name
    if _readable(path):
        tokenizer = _tokenizer(path)
        missing = "" if tokenizer is not None else ", without its tokenizer"
        yield BaseModel(name, path, tokenizer, f"read {path}{missing}")
        return
    if path not in CONFIGS:
        raise ConfigError(
            f"cannot read the base model `{path}` (no such folder, or no network); create or download it, or give "
            "another folder: `--base-model FOLDER`"
        )
    with TemporaryDirectory(prefix="in2-model-") as folder:
        Path(folder, "config.json").write_text(json.dumps(CONFIGS[path]), encoding="utf-8")
        source = f"cannot read {path} (no network?): used its published config; its tokenizer was not checked"
        yield BaseModel(name, folder, None, source)


def _readable(path: str) -> bool:
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(path)
    except (OSError, ValueError):
        return False
    return True


def _tokenizer(path: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError, KeyError):
        return None

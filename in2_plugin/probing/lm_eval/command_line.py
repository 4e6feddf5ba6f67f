"""What the command line of lm_eval says and tasks are not told: the kind of model, generation arguments, chat template.

lm_eval hands tasks their metadata and the model's arguments only, so the rest is read from the command line of this
process and from the `--config` file named there, the command line first, as lm_eval does it. Through lm_eval's Python
interface there is neither, and everything here is unknown.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError

_CONFIGURABLE = ("model", "gen_kwargs", "apply_chat_template")
_OFF = ("", "0", "false", "none")


@dataclass(frozen=True, slots=True)
class Invocation:
    """The arguments that decide what reaches the model besides the prompt."""

    model: str | None = None
    """Name of the backend, such as `hf` or `local-completions`; None where it is not said."""
    gen_kwargs: Mapping[str, str] | None = None
    """What replaces the tasks' own generation arguments, as text."""
    applies_chat_template: bool = False

    def new_tokens(self, of_task: int) -> int:
        """Tokens that are generated for each prompt, where the task itself asks for `of_task`.

        Raises:
            ConfigError: the command line gives something that is not a whole number above 0.
        """
        given = self.gen_kwargs or {}
        # a task's `max_gen_toks` wins over the other spellings, save that API models put `max_tokens` first
        own = _count(given, "max_gen_toks", of_task)
        return max(own, _count(given, "max_tokens", own)) if _is_served(self.model) else own


def read_invocation(argv: Sequence[str] | None = None) -> Invocation:
    """Read `argv`, by default the command line of this process; what is not lm_eval's is ignored."""
    found = _parse(sys.argv[1:] if argv is None else argv)
    merged = {**_from_config(found.pop("config", None)), **found}
    template = merged.get("apply_chat_template", False)
    model = merged.get("model")
    return Invocation(
        model=str(model) if model else None,
        gen_kwargs=_pairs(merged.get("gen_kwargs")),
        applies_chat_template=str(template).lower() not in _OFF,
    )


def _parse(argv: Sequence[str]) -> dict[str, Any]:
    """The options of `argv` that matter here, with lm_eval's own spellings and abbreviations."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--config", "-C")
    parser.add_argument("--model", "-M")
    parser.add_argument("--gen_kwargs", nargs="+", action="extend")
    parser.add_argument("--apply_chat_template", nargs="?", const=True)
    try:
        return vars(parser.parse_known_args(list(argv))[0])
    except argparse.ArgumentError:  # lm_eval itself would have stopped there: this is another program's command line
        return {}


def _from_config(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return {key: content[key] for key in _CONFIGURABLE if content.get(key)} if isinstance(content, dict) else {}


def _pairs(given: Any) -> dict[str, str]:
    """`--gen_kwargs` in any of its forms: `key=value,key=value`, several of them, JSON, or a mapping of YAML."""
    if isinstance(given, Mapping):
        return {str(key): str(value) for key, value in given.items()}
    pairs: dict[str, str] = {}
    for part in [given] if isinstance(given, str) else given or []:
        pairs |= _pairs(_as_json(part)) if part.lstrip().startswith("{") else _split(part)
    return pairs


def _as_json(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except json.JSONDecodeError:  # refused by lm_eval before any task is loaded
        return None


def _split(text: str) -> dict[str, str]:
    cut = (item.partition("=") for item in text.split(","))
    return {key.strip(): value.strip() for key, equals, value in cut if equals}


def _is_served(model: str | None) -> bool:
    return model is not None and "completions" in model


def _count(given: Mapping[str, str], key: str, default: int) -> int:
    text = given.get(key)
    if text is None:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise ConfigError(f"--gen_kwargs {key}={text} is not a whole number above 0; give how many tokens to generate")
    return int(text)

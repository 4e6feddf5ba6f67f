"""Read what lm_eval's command line sets but a task does not receive: backend, generation arguments, the other tasks.

lm_eval hands tasks only their metadata and the model's arguments. `read_invocation` reads the rest from the command
line of this process and from the `--config` file that it names; like in lm_eval, the command line wins. Through
lm_eval's Python interface there is neither, and every field keeps its default. Callers read once and pass the value on.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError

_CONFIGURABLE = ("model", "gen_kwargs", "apply_chat_template", "limit", "tasks")
_OFF = ("", "0", "false", "none")


@dataclass(frozen=True, slots=True)
class Invocation:
    """The arguments besides the prompt that decide what reaches the model."""

    model: str | None = None
    """Name of the backend, such as `hf` or `local-completions`; None if unknown."""
    gen_kwargs: Mapping[str, str] | None = None
    """The values that replace the tasks' own generation arguments, as text."""
    applies_chat_template: bool = False
    limit: float | None = None
    """Most questions per task, or their share if below 1; None for all."""
    tasks: tuple[str, ...] = ()
    """Names of all tasks of the run, as they were given."""

    def new_tokens(self, of_task: int) -> int:
        """Return the tokens generated per prompt; the task itself asks for `of_task`.

        Raises:
            ConfigError: the command line has a value that is not a whole number above 0.
        """
        given = self.gen_kwargs or {}
        # a task's `max_gen_toks` wins over the other spellings, except that API models prefer `max_tokens`
        own = _count(given, "max_gen_toks", of_task)
        return max(own, _count(given, "max_tokens", own)) if _is_served(self.model) else own

    def refuse_messages_without_template(self) -> None:
        """Raise ConfigError when a chat backend would get text: lm_eval makes messages only with a chat template."""
        if self.model is not None and "chat-completions" in self.model and not self.applies_chat_template:
            raise ConfigError(
                f"--model {self.model} sends chat messages; add --apply_chat_template, or for a base model use a "
                "completions endpoint and its --model"
            )


def read_invocation(argv: Sequence[str] | None = None) -> Invocation:
    """Parse `argv`, by default the command line of this process, and ignore options that are not lm_eval's."""
    found = _parse(sys.argv[1:] if argv is None else argv)
    config = read_config(found.pop("config", None))
    merged = {**{key: config[key] for key in _CONFIGURABLE if config.get(key)}, **found}
    template = merged.get("apply_chat_template", False)
    model = merged.get("model")
    return Invocation(
        model=str(model) if model else None,
        gen_kwargs=_pairs(merged.get("gen_kwargs")),
        limit=merged.get("limit"),
        tasks=tuple(_names(merged.get("tasks"))),
        applies_chat_template=str(template).lower() not in _OFF,
    )


def read_config(path: str | None) -> dict[str, Any]:
    """Return the content of a `--config` file, empty if there is none or lm_eval would refuse it."""
    if path is None:
        return {}
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def _parse(argv: Sequence[str]) -> dict[str, Any]:
    """Parse the options that matter here, with lm_eval's own spellings and abbreviations."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--config", "-C")
    parser.add_argument("--model", "-M")
    parser.add_argument("--limit", "-L", type=float)
    parser.add_argument("--tasks", "-t", nargs="*", action="extend")
    parser.add_argument("--gen_kwargs", nargs="+", action="extend")
    parser.add_argument("--apply_chat_template", nargs="?", const=True)
    try:
        return vars(parser.parse_known_args(list(argv))[0])
    except argparse.ArgumentError:  # lm_eval would have stopped: this is the command line of another program
        return {}


def _names(given: Any) -> Iterator[str]:
    """Yield the tasks of `--tasks` or of a `--config` file: names with commas, several of them, or a list."""
    for part in [given] if isinstance(given, str) else given or []:
        if isinstance(part, str):  # a `--config` file may describe a task
            yield from filter(None, (name.strip() for name in part.split(",")))


def _pairs(given: Any) -> dict[str, str]:
    """Parse `--gen_kwargs` in any of its forms: `key=value,key=value`, several of them, JSON, or a YAML mapping."""
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
    except json.JSONDecodeError:  # lm_eval refuses it before it loads any task
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
        raise ConfigError(f"--gen_kwargs {key}={text} is not a whole number above 0; set the tokens to generate")
    return int(text)
